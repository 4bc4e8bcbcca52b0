"""The page of published results says of methods what was found of methods."""

import importlib.util
import re

import pytest
from made_runs import made_run

from hnlm_ray.compare.findings import find
from hnlm_ray.compare.verdict import headline
from hnlm_ray.config.study import StudyConfig
from hnlm_ray.study.table import study_answer

TRIO = {"mf_dns": 0.30, "mf_fusion": 0.33, "mf_fusion_cf": 0.31, "mf_fusion_shuffled": 0.305}


@pytest.fixture(scope="module")
def results_page(repository):
    spec = importlib.util.spec_from_file_location("results_page", repository / "benchmarks" / "results_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def study(names="a", **more):
    config = StudyConfig(name="s", workspace="w", datasets=[{"name": name} for name in names], methods=("dns",))
    return study_answer(config, [made_run(name, **{**TRIO, **more}) for name in names], [])[0]


def words(found, results_page):
    (row,), (run,) = found["text_worth"], found["runs"]
    return results_page.told(row, run)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"searches": 3, "trials": 7},
        {"mf_fusion_shuffled": 0.33},
        {"mf_fusion": 0.2},
        {"mf_fusion": 0.3101},
        {"mf_fusion_facts": 0.329},
    ],
)
def test_a_data_set_s_words_are_the_headline_of_its_run(results_page, more):
    """One function of words: a shuffled control that is beaten is not enough where others are lacking."""
    board = made_run("a", **{**TRIO, **more}).board
    found = study(**more)
    assert found["runs"][0]["headline"] == board["headline"] == headline(find(board))
    assert found["runs"][0]["finding"] == board["finding"]
    shown = words(found, results_page)
    assert shown.startswith(f"**{board['headline']}** By this run alone")
    assert shown.count("**") == 2
    assert "shuffled text (p " in shown


def test_a_study_of_before_gives_figures_without_a_judgement(results_page):
    found = study()
    for run in found["runs"]:
        del run["finding"], run["headline"]
        for method in run["methods"]:
            del method["searches"]
    del found["pooled"]
    (row,) = found["text_worth"]
    assert words(found, results_page) == results_page.figures(row)
    page = results_page.page(found)
    assert not re.search(r"\b(win|lose|beat|better|worse)|\*\*", page)
    assert "| std over seeds |" in page
    assert results_page.for_programs(found) == {"datasets": found["text_worth"]}


def test_without_a_shuffled_control_the_figures_say_so(results_page):
    shown = words(study(mf_fusion_shuffled={"mean": 0.305}, mf_guard=0.4), results_page)
    assert shown.endswith("; no control with shuffled text.")


def test_deviations_are_over_searches_where_there_are_several(results_page):
    assert "| std over searches |" in results_page.page(study(searches=3, trials=7))
    assert "| std over seeds |" in results_page.page(study())


def test_what_is_pooled_is_there_for_programs(results_page):
    found = study("abcd")
    assert results_page.for_programs(found) == {"datasets": found["text_worth"], "pooled": found["pooled"]}


def test_the_page_pools_four_data_sets_or_says_why_not(results_page):
    few, enough = (results_page.page(study(names)) for names in ("abc", "abcd"))
    assert "Over data sets nothing can be said of methods: it takes 4 data sets, and 3 are finished." in few
    assert "Over 4 data sets, each with searches of its own:" in enough
    assert "- mf-fusion " in enough
