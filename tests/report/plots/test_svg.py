import re
from xml.dom.minidom import parseString

import numpy as np
import pytest

from hnlm_ray.compare.ranks import rank_methods
from hnlm_ray.report.plots import charts as plots
from hnlm_ray.report.plots import frontier as plots_frontier
from hnlm_ray.report.plots import search as plots_search
from hnlm_ray.report.plots.ranks import rank_diagram
from hnlm_ray.report.plots.svg import FAMILIES, inlined, plot

FAMILY = {"mf-rns": "classical", "mf-pool": "semantic", "mf-pool_random": "control"}
ROWS = [
    {"name": name, "family": family, "difference": 0.1 * n, "low": 0.1 * n - 0.05, "high": 0.1 * n + 0.05}
    for n, (name, family) in enumerate(FAMILY.items())
]
CURVES = [
    {"name": name, "epochs": [{"epoch": e, "loss": 1.0 / e, "validation": 0.1 * e} for e in (1, 2)]} for name in FAMILY
]
GROUPS = {
    "groups": {"history_short": "short"},
    "sizes": {"history_short": 3},
    "methods": [{"name": name, "history_short": 0.5} for name in FAMILY],
}


def drawn():
    yield plots.forest(ROWS, "ndcg@20", "mf-rns")
    yield plots.tail([(1, 9), (2, 4), (3, 1)])
    for value in ("loss", "validation"):
        yield plots.curves(CURVES, value, FAMILY, ["mf-rns", "mf-pool"], value)
    yield plots.finetune(
        [{"step": 0, "loss": None, "held_out_loss": 2.0}, {"step": 1, "loss": 1.0, "held_out_loss": None}]
    )
    yield plots.groups(GROUPS, ["mf-rns", "mf-pool"], FAMILY, "ndcg@20", ["history_short"])
    for values in ((2, 8), (1e-4, 0.5), ("rns", True)):
        steps = [{"low": value, "high": value, "mean": 0.1} for value in values]
        methods = [{"method": name, "points": [(value, 0.1) for value in values], "steps": steps} for name in FAMILY]
        kind = {"is_choice": values[0] in (2, "rns"), "is_log": values[0] == 1e-4}
        found = {"name": f"softmax.{len(str(values))}", **kind, "methods": methods}
        yield plots_search.sensitivity(found, FAMILY, ["mf-rns", "mf-pool"], "ndcg@20")
    yield plots_search.importance({"name": "mf-pool", "shares": {"alpha": 0.7, "lr": 0.3}}, "semantic")
    rising = [{"name": name, "points": [(1.0, 0.1), (2.5, 0.2)]} for name in FAMILY]
    yield plots_search.anytime(rising, FAMILY, ["mf-rns", "mf-pool"], "ndcg@20")
    for figures in (np.arange(24).reshape(8, 3) % 5, np.arange(24).reshape(8, 3)):
        yield rank_diagram(rank_methods(tuple(FAMILY), figures), FAMILY)
    shares = [{"epoch": 1, "share": 0.01}, {"epoch": 5, "share": 0.02}]
    yield plots.false_negatives([{"name": name, "false": shares} for name in FAMILY], FAMILY, 0.015)
    yield plots.hardness([{**row, "hardness": 0.4, "share": 0.1} for row in ROWS], 0.08)
    ends = {"false_negative_share_low": 0.08, "false_negative_share_high": 0.12}
    points = [{"method": name, "family": family, "setting": "M 4", "hardness": 0.1 + 0.1 * n, **ends,
               "false_negative_share": 0.1} for n, (name, family) in enumerate(FAMILY.items())]  # fmt: skip
    yield plots_frontier.frontier({"reference": points, "own": points, "grid": points, "controls": points[2:]})


@pytest.fixture(scope="module")
def svgs():
    return [str(svg) for svg in drawn()]


def test_plots_take_colours_from_the_page_and_keep_text_as_text(svgs):
    for svg in svgs:
        assert not re.search(r"#[0-9a-f]{6}\b", svg), re.findall(r"#[0-9a-f]{6}\b", svg)
        assert "var(--" in svg
        assert "<text" in svg
        assert "font-family" not in svg
        assert "font:" not in svg


def test_plots_scale_and_say_what_they_show(svgs):
    for svg in svgs:
        root = parseString(svg).documentElement
        assert root.hasAttribute("viewBox")
        assert not root.hasAttribute("width")
        assert root.getAttribute("role") == "img"
        title = root.getElementsByTagName("title")[0]
        assert title.getAttribute("id") == root.getAttribute("aria-labelledby")
        assert title.firstChild.data


def test_plots_bring_no_styles_scripts_or_dates(svgs):
    for svg in svgs:
        assert not re.search(r"<(style|script|metadata|image|foreignObject|!--)", svg)


def test_the_same_figures_give_the_same_bytes(svgs):
    assert [str(svg) for svg in drawn()] == svgs


def test_a_title_is_escaped_and_unused_ids_are_dropped():
    svg = inlined('<?xml?><svg width="3" viewBox="0 0 1 1"><g id="a"/><use href="#b"/><path id="b"/></svg>', "n", "<x>")
    assert "&lt;x&gt;" in svg
    assert 'id="a"' not in svg
    assert '<use href="#n-b"/><path id="n-b"/>' in svg


def test_families_differ_in_shape_and_not_in_colour_alone():
    shapes = set()
    for family, colour in FAMILIES.items():
        svg = str(plot("one", "x", (2, 2), lambda axes, family=family: plots.marker(axes, 0, 0, family)))
        shapes.add(frozenset(re.findall(r'<path id="one-m\w+" d="([^"]+)"', svg)))
        assert colour not in svg
    assert len(shapes) == len(FAMILIES)
