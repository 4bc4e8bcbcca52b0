"""Methods over data sets: a figure a data set, and words that say no more."""

import dataclasses
import io
import re

import numpy as np
import pytest
from made_runs import made_run
from rich.console import Console
from scipy import stats

from hnlm_ray.commands.results.study import show_study
from hnlm_ray.compare.significance import p_of_means
from hnlm_ray.config.study import StudyConfig
from hnlm_ray.study.outputs import markdown
from hnlm_ray.study.pooled import BEST_SEMANTIC, pooled
from hnlm_ray.study.table import study_answer
from hnlm_ray.study.words import above, headlines, over_datasets

NAMES = "abcd"


def runs(pools=(0.22, 0.23, 0.21, 0.22), names=NAMES, **more):
    drawn = zip(names, pools, (0.15, 0.14, 0.16, 0.15), strict=False)
    return [made_run(name, mf_dns=0.2, mf_rns=rns, mf_pool=pool, **more) for name, pool, rns in drawn]


def compared(found):
    return {one["method"]: one for one in found["comparisons"]}


def test_each_data_set_is_one_figure_of_a_t_test():
    found = pooled(runs())
    assert (found["datasets"], found["left_out"], found["reason"]) == (list(NAMES), [], None)
    pool = compared(found)["mf-pool"]
    logs = np.log([one["relative"] + 1 for one in pool["datasets"]])
    assert pool["relative"] == pytest.approx(np.exp(logs.mean()) - 1)
    assert pool["relative"] == pytest.approx(0.1, abs=0.02)
    assert pool["p"] == pytest.approx(stats.ttest_1samp(logs, 0).pvalue)
    interval = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert pool["ci95"] == pytest.approx([np.exp(interval.low) - 1, np.exp(interval.high) - 1])
    assert {one["against"] for one in pool["datasets"]} == {"mf-dns"}
    assert set(compared(found)) == {BEST_SEMANTIC, "mf-pool", "mf-rns"}  # the best classical one has nothing beside it
    least = min(found["comparisons"], key=lambda one: one["p"])
    assert least["p_holm"] == pytest.approx(3 * least["p"])


def test_controls_are_not_pooled_and_a_method_that_lacks_a_data_set_is_named():
    some = [*runs(names="abc", mf_pool_random=0.1), made_run("d", mf_dns=0.2, mf_rns=0.15)]
    found = pooled(some)
    assert set(compared(found)) == {"mf-rns"}
    assert found["left_out"] == [BEST_SEMANTIC, "mf-pool"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_fewer_than_four_data_sets_give_no_sentence_and_the_reason(count):
    found = pooled(runs()[:count])
    assert found["comparisons"] == []
    assert found["reason"].startswith("it takes 4 data sets")


def test_data_sets_of_one_seed_bring_no_searches_of_their_own():
    found = pooled([dataclasses.replace(run, seed=42) for run in runs()])
    assert found["comparisons"] == []
    assert "the same configurations" in found["reason"]


def test_nothing_but_the_best_classical_method_is_no_comparison():
    assert "no method" in pooled([made_run(name, mf_dns=0.2) for name in NAMES])["reason"]


def test_both_best_methods_are_those_of_each_data_set_and_a_best_classical_one_is_level_with_itself():
    first = [made_run(name, mf_dns=0.2, mf_rns=0.15, mf_pool=0.3, mf_guard=0.1) for name in "ab"]
    second = [made_run(name, mf_dns=0.15, mf_rns=0.2, mf_pool=0.1, mf_guard=0.3) for name in "cd"]
    found = compared(pooled(first + second))
    best = [(one["method"], one["against"]) for one in found[BEST_SEMANTIC]["datasets"]]
    assert best == [("mf-pool", "mf-dns")] * 2 + [("mf-guard", "mf-rns")] * 2
    assert [one["relative"] for one in found["mf-dns"]["datasets"]][:2] == [0.0, 0.0]


def test_figures_of_nothing_have_no_ratio():
    zero = {"mean": 0.0, "spread": 0.0}
    some = [*runs(names="abc"), made_run("d", mf_dns=0.2, mf_rns=0.15, mf_pool=zero)]
    assert pooled(some)["left_out"] == [BEST_SEMANTIC, "mf-pool"]


@pytest.mark.parametrize("kind", ["normal", "two-point"])
def test_one_method_under_two_names_differs_seldom_over_four_data_sets(kind):
    """Each data set's searches find by luck what is a tenth better or worse."""
    draw, p = np.random.default_rng(3), []
    effects = draw.standard_normal if kind == "normal" else lambda size: draw.choice([-1.0, 1.0], size)
    for _ in range(1500):
        found = 0.1 * effects((2, 4)) + 0.02 * draw.standard_normal((2, 4))
        p.append(p_of_means(np.log1p(found[0]) - np.log1p(found[1])))
    assert np.mean(np.array(p) < 0.05) < 0.065


def told(*names, **changes):
    study = {"name": "x", "workspace": "w", "methods": ["rns"], "datasets": [{"name": name} for name in names]}
    answer, _ = study_answer(
        StudyConfig.model_validate(study | {"claims": ["semantic"]}), runs(names=names, **changes), []
    )
    console = Console(width=400, file=io.StringIO(), markup=False, highlight=False)
    show_study(console, {**answer, "files": {"json": "study.json"}})
    return answer, markdown(answer), console.file.getvalue()


def test_a_sentence_over_data_sets_stands_in_the_page_and_on_the_terminal():
    answer, page, shown = told(*NAMES)
    sentence = over_datasets(compared(answer["pooled"])["mf-pool"])
    assert re.match(
        r"mf-pool beats the best classical method: \+9\.\d% \[\+\d\.\d%, \+1\d\.\d%\], p \(Holm\) 0\.0", sentence
    )
    assert f"over 4 data sets: {sentence}" in shown
    assert re.sub(r"[\\]", "", page).count(sentence) == 1
    assert f"over 4 data sets: {over_datasets(compared(answer['pooled'])['mf-rns'])}" in shown
    assert "mf-rns is worse than" in shown


def test_the_headline_of_a_run_stands_in_both_and_none_where_no_text_was_compared():
    answer, page, shown = told(*NAMES)
    for run in answer["runs"]:
        assert f"{run['dataset']}/main, by this run alone: {run['headline']}" in shown
        assert run["headline"] in page
    classical = StudyConfig(name="x", workspace="w", datasets=({"name": "a"},), methods=("rns",))
    answer, _ = study_answer(classical, [made_run("a", mf_dns=0.2, mf_rns=0.1)], [])
    assert headlines(answer["runs"][0]) == []
    assert answer["runs"][0]["headline"] not in markdown(answer)


def test_without_one_the_reason_does():
    _, page, shown = told(*"abc")
    for text in (page, shown.lower()):
        assert "it takes 4 data sets, and 3 are finished" in text


def test_what_is_not_told_apart_is_not_said_to_be_level():
    one = {"method": "x", "relative": 0.01, "ci95": [-0.1, 0.12], "p_holm": 0.7}
    assert (
        over_datasets(one)
        == "x can't be told apart from the best classical method: +1.0% [-10.0%, +12.0%], p (Holm) 0.7000"
    )


def test_on_a_data_set_words_are_of_configurations_unless_searches_are_repeated():
    for repeated, words in ((False, "these configurations: mf-pool is above mf-dns"), (True, "mf-pool beats mf-dns")):
        answer, page, shown = told(*NAMES, searches=3 if repeated else 1, trials=7)
        assert {one["speaks_of"] for one in answer["better"]} == {"methods" if repeated else "configurations"}
        assert words in above(answer["better"][0], answer["metric"])
        assert words in shown
        assert ("mf-pool beats mf-dns" in shown) == repeated
        row = next(line for line in page.splitlines() if line.startswith("| mf-pool | semantic"))
        assert row.endswith(f"| yes | {'methods' if repeated else 'configurations'} |")
        assert "| better |" not in page
