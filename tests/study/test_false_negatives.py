"""The claim about false negatives: what means nothing fails it, and a guard that knows the planted tastes proves it."""

from dataclasses import replace

import numpy as np
import pytest
from made_runs import made_run
from planted import frozen, rows_of, run_with, tastes, winner

from hnlm_ray.study.claims.judging import judge_claims
from hnlm_ray.tune.frontier.rows import ALIKE, BEYOND

SEEDS = 20
WITHOUT_MEANING = {
    "uniform items": ("pool", {"alpha": 1.0}),
    "half uniform items, half DNS": ("pool", {"alpha": 0.5, "base_sampler": "dns", "candidates": 16}),
    "a pool of weight 0 on uniform items": ("pool", {"alpha": 0.0}),
    "vectors of weight 0 on DNS": ("hnlmrec", {"alpha": 0.0, "base_sampler": "dns", "candidates": 3}),
    "vectors of weight 0 on popular items": ("hnlmrec", {"alpha": 0.0, "base_sampler": "pns"}),
    "random vectors": ("hnlmrec", {"alpha": 1.0}),
    "half random vectors, half DNS": ("hnlmrec", {"alpha": 0.5, "base_sampler": "dns", "candidates": 32}),
    "a guard of weight 0": ("guard", {"guard": 0.0, "candidates": 8}),
}
GUARD = {"guard": 1.0, "candidates": 16}
CONTROLS = ("guard_no_text", "guard_shuffled")
VECTORS = ("hnlmrec_alpha0", "hnlmrec_frozen")
CONTROLS_OF = {"pool": ("pool_random", "pool_shuffled"), "hnlmrec": ("hnlmrec_shuffled",), "guard": CONTROLS}


def judged(*runs):
    (claim,) = judge_claims(["false_negatives"], runs, "main")
    return claim


@pytest.fixture(scope="module")
def planted():
    """Of each seed, data and a model trained by DNS."""
    return [(data, frozen(data, seed)) for seed in range(SEEDS) for data in [tastes(seed)]]


@pytest.mark.parametrize("name", WITHOUT_MEANING)
def test_a_semantic_method_whose_negatives_mean_nothing_fails(planted, name):
    method, settings = WITHOUT_MEANING[name]
    tables = [rows_of(*one, winner(method, **settings), controls=CONTROLS_OF[method]) for one in planted]
    found = [next(row for row in rows if row["role"] == "own") for rows in tables]
    saved = [row for row in found if row["saved"] is not None]
    assert sum(row["saved"] > 0 and row["saved_p"] < 0.05 for row in saved) <= SEEDS // 20
    assert len(saved) >= 0.8 * SEEDS  # the others are said to be easier than any classical sampler
    assert {row["reason"] for row in found} <= {None, BEYOND}
    assert sum(judged(run_with(rows))["verdict"] == "holds" for rows in tables) <= SEEDS // 20


def test_easy_negatives_are_no_merit(planted):
    """Uniform items are false a third as often as those of DNS, and lie on its curve."""
    for data, model in planted:
        rows = rows_of(data, model, winner("rns"), winner("dns", candidates=32))
        uniform, hard = (row for row in rows if row["role"] == "own")
        assert uniform["method"] == "mf-rns"
        assert hard["method"] == "mf-dns"
        assert uniform["false_negative_share"] < 0.5 * hard["false_negative_share"]
        assert uniform["saved"] == hard["saved"] == 0
        assert uniform["saved_p"] == 1


def test_a_guard_that_knows_the_tastes_holds_against_the_curve_and_its_controls(planted):
    found = [judged(run_with(rows_of(*one, winner("guard", **GUARD), controls=CONTROLS))) for one in planted]
    assert sum(claim["verdict"] == "holds" for claim in found) >= 0.95 * SEEDS
    tests = found[0]["tests"]
    assert [test["about"] for test in tests] == [
        "a/main: mf-guard against negatives of DNS that are as hard, false negatives that are saved",
        "a/main: mf-guard against mf-guard_no_text with its settings, false negatives that are saved",
        "a/main: mf-guard against mf-guard_shuffled with its settings, false negatives that are saved",
    ]
    assert all(test["difference"] > 0.03 for test in tests)
    shown = {row["method"]: row for row in found[0]["figures"]}
    assert list(shown) == ["mf-guard", "mf-guard_no_text", "mf-guard_shuffled"]
    assert shown["mf-guard_no_text"]["outcome"] == "holds"  # behaviour alone saves some too, and is beaten
    assert shown["mf-guard"]["share_at_random"] == 0.02


def test_a_guard_whose_text_says_nothing_is_not_credited_to_it(planted):
    verdicts = []
    for seed, (data, model) in enumerate(planted):
        order = np.random.default_rng(seed).permutation(data.items)
        shuffled = replace(data, item_text=data.item_text[order])
        claim = judged(run_with(rows_of(shuffled, model, winner("guard", **GUARD), controls=CONTROLS)))
        verdicts.append(claim["verdict"])
        assert claim["tests"][0]["outcome"] == "holds"  # its features of behaviour hold back as before
    assert verdicts.count("holds") <= SEEDS // 20


def test_without_a_control_nothing_is_credited(planted):
    claim = judged(run_with(rows_of(*planted[0], winner("guard", **GUARD))))
    assert claim["tests"][0]["outcome"] == "holds"
    assert (claim["verdict"], claim["needed"]) == ("can't be told", "a comparison with each control of the method")
    assert "no control of mf-guard could be compared" in claim["lacking"][0]


def test_an_adapter_that_stays_untrained_is_no_control(planted):
    rows = rows_of(*planted[0], winner("hnlmrec", alpha=0.5), controls=("hnlmrec_frozen",))
    frozen_adapter = next(row for row in rows if row["role"] == "control")
    assert (frozen_adapter["reason"], frozen_adapter["gain"]) == (ALIKE, None)
    claim = judged(run_with(rows))
    assert [row["method"] for row in claim["figures"]] == ["mf-hnlmrec"]
    assert "no control of mf-hnlmrec could be compared" in claim["lacking"][0]


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("reason", [BEYOND, ALIKE, "it could not be made"])
def test_each_control_must_be_beaten(planted, control, reason):
    rows = rows_of(*planted[0], winner("guard", **GUARD), controls=CONTROLS)
    assert judged(run_with(rows))["verdict"] == "holds"
    lost = [{**row, "gain": None, "reason": reason} if row["method"] == f"mf-{control}" else row for row in rows]
    claim = judged(run_with(lost))
    assert (claim["verdict"], claim["needed"]) == ("can't be told", "a comparison with each control of the method")
    assert claim["lacking"] == [f"a/main: mf-{control}: {reason}", "a/main: mf-guard_facts: no control of the run"]
    assert len(claim["tests"]) == 2


def test_without_it_the_other_controls_tell(planted):
    rows = rows_of(*planted[0], winner("hnlmrec", alpha=0.5), controls=VECTORS)
    won = {"saved": 0.03, "saved_p": 1e-9, "saved_error": 1e-3}, {"gain": 0.02, "gain_p": 1e-9, "gain_error": 1e-3}
    better = [
        {**row, **won[0], "reference_share": 0.1}
        if row["role"] == "own"
        else {**row, **(won[1] if row["gain"] else {})}
        for row in rows
    ]
    claim = judged(run_with(better))
    assert claim["verdict"] == "holds"
    assert [row["method"] for row in claim["figures"][:2]] == ["mf-hnlmrec", "mf-hnlmrec_alpha0"]


def test_text_in_the_model_alone_is_no_semantic_negative(planted):
    rows = rows_of(*planted[0], winner("guard", **GUARD), winner("kar"), controls=CONTROLS)
    own = {row["method"]: row for row in rows if row["role"] == "own"}
    assert own["mf-kar"]["hardness"] is None
    assert "text is in its model alone" in own["mf-kar"]["reason"]


def test_of_the_semantic_methods_that_could_be_compared_validation_chooses(planted):
    rows = rows_of(*planted[0], winner("guard", **GUARD), winner("pool", alpha=0.5), controls=CONTROLS)
    run = replace(made_run(mf_dns=0.2, mf_guard=0.25, mf_pool=0.26, mf_fusion=0.3), frontier=rows)
    assert judged(run)["tests"][0]["about"].startswith("a/main: mf-pool against negatives of DNS")
    lost = [{**row, "saved": None, "reason": BEYOND} if row["method"] == "mf-pool" else row for row in rows]
    assert judged(replace(run, frontier=lost))["tests"][0]["about"].startswith(
        "a/main: mf-guard against negatives of DNS"
    )
    none = [{**row, "saved": None, "reason": BEYOND} for row in rows]
    claim = judged(replace(run, frontier=none))
    assert claim["verdict"] == "not tested"
    assert f"mf-pool: {BEYOND}" in claim["lacking"][0]
