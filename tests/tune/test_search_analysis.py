"""Sensitivity, importance and anytime curves, on trials made by hand."""

import json

import numpy as np
import pytest

from hnlm_ray.compare.search_effects import (
    LEAST_TO_RANK,
    anytime,
    importance,
    label_of,
    points_of,
    searched,
    sensitivity,
)
from hnlm_ray.config import CFConfig


def trial(number, value, status="ok", **settings):
    """``settings``: of the section ``cf``."""
    config = json.dumps(CFConfig(**settings).model_dump(mode="json"), sort_keys=True)
    validation = None if value is None else [("ndcg@20", value)]
    return {"search": 0, "trial": number, "status": status, "config": config, "validation": validation}


def points(rows):
    return points_of(rows, "ndcg@20")


def test_points_are_the_trials_with_a_figure_in_order_pruned_ones_too():
    rows = [trial(2, 0.3, "pruned"), trial(0, 0.1), trial(1, None, "diverged"), trial(3, 0.2, lr=0.5)]
    assert [point.metric for point in points(rows)] == [0.1, 0.3, 0.2]
    assert points_of(rows, "recall@20") == []
    assert points([{**rows[1], "config": '{"rank": "<script>"}'}, {**rows[1], "config": "[]"}]) == []


def test_searched_is_what_trials_differ_in():
    rows = [
        trial(n, 0.1, lr=10 ** -(1 + n / 3), candidates=2 ** (n % 3), adapter_attention=n > 3, alpha=(n + 0.1) / 8,
              adapter_hidden=(8,) * (1 + n % 2), softmax={"negatives": 4 + n})
        for n in range(8)
    ]  # fmt: skip
    found = {parameter.name: (parameter.is_choice, parameter.is_log) for parameter in searched(points(rows))}
    assert found == {
        "adapter_attention": (True, False),
        "adapter_hidden": (True, False),
        "alpha": (False, False),
        "candidates": (True, False),
        "lr": (False, True),
        "softmax.negatives": (False, False),
    }
    assert searched([]) == searched(points([trial(0, 0.1)])) == []


def test_labels_do_not_depend_on_a_numbers_type():
    assert [label_of(value) for value in (8, 8.0, 0.25, True, "dns")] == ["8", "8", "0.25", "true", "dns"]


def test_sensitivity_of_a_choice_has_a_step_a_value():
    rows = [trial(n, value, candidates=c) for n, (c, value) in enumerate([(8, 0.3), (2, 0.1), (8, 0.5), (16, 0.2)])]
    (found,) = sensitivity(points(rows))
    assert found["name"] == "candidates"
    assert found["points"] == [(2, 0.1), (8, 0.3), (8, 0.5), (16, 0.2)]
    assert [(step["label"], step["trials"], step["mean"], step["best"]) for step in found["steps"]] == [
        ("2", 1, 0.1, 0.1), ("8", 2, 0.4, 0.5), ("16", 1, 0.2, 0.2),
    ]  # fmt: skip


def test_sensitivity_of_a_number_has_steps_of_about_equally_many_trials():
    rows = [trial(n, n / 100, alpha=n / 20) for n in range(20)]
    (found,) = sensitivity(points(rows))
    assert [step["trials"] for step in found["steps"]] == [4] * 5
    assert [step["mean"] for step in found["steps"]] == pytest.approx([0.015, 0.055, 0.095, 0.135, 0.175])
    assert (found["steps"][0]["low"], found["steps"][0]["high"]) == (0.0, 0.15)
    many = [trial(n, n / 100, alpha=max(0, n - 12) / 20) for n in range(20)]  # thirteen trials at 0
    (crowded,) = sensitivity(points(many))
    assert [step["trials"] for step in crowded["steps"]] == [13, 3, 4]
    assert [step["label"] for step in crowded["steps"]] == ["0", "0.05 to 0.15", "0.2 to 0.35"]


def test_a_step_is_called_as_short_as_a_reader_needs_it():
    rows = [
        trial(n, n / 100, lr=lr, batch_size=size) for n, (lr, size) in enumerate([(0.00508054, 2048), (0.001, 512)])
    ]
    sizes, rates = sensitivity(points(rows))
    assert [step["label"] for step in (*sizes["steps"], *rates["steps"])] == ["512", "2048", "0.001", "0.00508"]
    many = [trial(n, n / 100, batch_size=512 + 256 * n) for n in range(10)]
    assert sensitivity(points(many))[0]["steps"][4]["label"] == "2560 to 2816"


def drawn(count, figure):
    draw = np.random.default_rng(0)
    rows = []
    for number in range(count):
        settings = {
            "lr": float(10 ** draw.uniform(-3.3, -2)),
            "alpha": float(draw.uniform()),
            "candidates": int(draw.choice([2, 4, 8])),
            "base_sampler": str(draw.choice(["rns", "dns"])),
        }
        rows.append(trial(number, figure(settings), **settings))
    return rows


@pytest.mark.parametrize(
    ("decides", "figure"),
    [
        ("alpha", lambda s: 0.5 - (s["alpha"] - 0.3) ** 2),
        ("lr", lambda s: 0.5 - (np.log10(s["lr"]) + 2.5) ** 2),
        ("candidates", lambda s: s["candidates"] / 10 + 0.001 * np.sin(1e6 * s["lr"])),
        ("base_sampler", lambda s: (s["base_sampler"] == "dns") / 10 + 0.001 * np.sin(1e6 * s["lr"])),
    ],
)
def test_importance_names_the_parameter_that_decides(decides, figure):
    found = importance(points(drawn(60, figure)))
    assert found["lacking"] is None
    assert next(iter(found["shares"])) == decides
    assert found["shares"][decides] > 0.4
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert list(found["shares"].values()) == sorted(found["shares"].values(), reverse=True)


def test_importance_is_the_same_for_the_same_trials():
    rows = drawn(40, lambda s: s["alpha"] * s["lr"])
    assert importance(points(rows)) == importance(points(rows))


def test_importance_says_what_it_lacks():
    few = importance(points(drawn(LEAST_TO_RANK - 1, lambda s: s["alpha"])))
    assert (few["shares"], few["trials"]) == ({}, 19)
    assert few["lacking"] == "19 trials with a figure, it takes 20"
    assert "no parameter" in importance(points([trial(n, n) for n in range(30)]))["lacking"]
    assert "same figure" in importance(points(drawn(30, lambda s: 0.5)))["lacking"]


def timed(method, number, cpu_seconds, figures, **own):
    """Each epoch takes a second."""
    curve = [{"epoch": n, "loss": 1.0, "validation": figure, "cpu_seconds": n} for n, figure in enumerate(figures, 1)]
    return {"method": method, "search": 0, "trial": number, "cpu_seconds": cpu_seconds, "curve": curve, **own}


def test_anytime_is_the_mean_of_what_independent_searches_have_found():
    first = [timed("mf-rns", 0, 2.0, [0.1, 0.2]), timed("mf-rns", 1, 2.0, [0.4, 0.3])]
    second = [timed("mf-rns", 0, 4.0, [None, 0.2, 0.1, 0.5], search=1)]
    lost = [timed("mf-rns", 0, 3.0, [], search=2, curve=None)]
    (curve,) = anytime([*second, *first, *lost])
    assert curve["points"] == [(2.0, 0.2), (3.0, pytest.approx(0.3)), (4.0, 0.45)]
    assert (curve["trials"], curve["spent"], curve["best"]) == (4, 11.0, 0.45)


def test_points_are_those_of_all_searches():
    rows = [trial(1, 0.3), {**trial(0, 0.4), "search": 1}, trial(0, 0.2)]
    assert [point.metric for point in points(rows)] == [0.2, 0.3, 0.4]


def test_anytime_curves_rise_over_the_seconds_of_all_trials_before():
    rows = [
        timed("mf-rns", 1, 4.5, [0.05, 0.3, None, 0.2]),
        timed("mf-rns", 0, 2.5, [0.1, 0.2]),
        timed("mf-rns", 2, 3.0, [], status="failed"),
        timed("mf-rns", 3, 0.5, [0.4]),
        timed("mf-dns", 0, 1.0, [None]),
        timed("mf-pns", 0, 1.0, [], curve=None),
    ]
    (curve,) = anytime(rows)
    assert curve["points"] == [(1.0, 0.1), (2.0, 0.2), (4.5, 0.3), (10.5, 0.4)]
    assert (curve["name"], curve["trials"], curve["spent"], curve["best"]) == ("mf-rns", 4, 10.5, 0.4)
    (shorter,) = anytime(rows[:3])
    assert shorter["points"][-1] == (10.0, 0.3)
    assert anytime([]) == []
