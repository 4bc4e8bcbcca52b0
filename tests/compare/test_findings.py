"""What is said of a comparison, case by case: the outcome, whose merit a gain is, and the words."""

import itertools
import re

import pytest

from hnlm_ray.compare.findings import find
from hnlm_ray.compare.verdict import headline, verdict
from hnlm_ray.config.controls import CONTROLS, EXTENDED

METRIC = "ndcg@20"
BUDGET = {"trials": [4, 4], "cpu_seconds": [1.0, 2.0], "dimensions": [3, 6], "search": "random", "equal": "trials"}
UNBEATEN, MISSING = {"difference": 0.001, "p_holm": 0.6}, None
BEATEN = {"difference": 0.02, "p_holm": 0.01}


def versus(difference=0.03, p=0.01, speaks_of="configurations"):
    sizes = {"effect_size": 0.1, "wins": 3, "ties": 2, "losses": 1}
    return {
        "difference": difference,
        "ci95": [difference - 0.01, difference + 0.01],
        "p_holm": p,
        "speaks_of": speaks_of,
    } | sizes


def entry(name, family="semantic", *, against=None, tokens=0, controls=None, speaks_of="methods"):
    """``controls``: by word, how it compares; ``takes``: other words of the method's list, without figures."""
    compared = {f"{name}_{word}": facts for word, facts in (controls or {}).items()}
    return {
        "name": name,
        "family": family,
        "test": {METRIC: 0.3},
        "searches": 1,
        "trials": 4,
        "dimensions": 5,
        "llm_tokens": tokens,
        "versus_best_classical": against or versus(),
        "controls": list(compared),
        "control_takes": {f"{name}_{word}": word for word in controls or ()},
        "versus_controls": [
            {"name": control, "speaks_of": speaks_of, **facts} for control, facts in compared.items() if facts
        ],
    }


def board(ours=None, base="lightgcn-dns", *, others=()):
    entries = [ours] if ours else []
    entries += [entry(base, "classical", against=versus(0.0, 1.0))] if base else []
    entries += [entry(name, "classical") for name in others]
    named = {"best_semantic": ours and ours["name"], "best_classical": base}
    return {"metric": METRIC, "methods": entries, "budget": BUDGET, "failed_methods": [], **named}


def said(made):
    return headline(find(made)), verdict(made)


ALL_BEATEN = {"no_text": BEATEN, "shuffled": BEATEN, "facts": BEATEN}
CREDITS = [
    # tokens spent, controls, whose merit
    (900, ALL_BEATEN, "LLM"),
    (0, ALL_BEATEN, "texts"),
    (900, {**ALL_BEATEN, "facts": UNBEATEN}, "texts"),
    (900, {**ALL_BEATEN, "facts": MISSING}, "texts"),
    (900, {"shuffled": BEATEN}, "texts"),  # no control without the LLM
    (0, {"no_text": BEATEN, "shuffled": BEATEN}, "texts"),  # the run reads facts
    (900, {**ALL_BEATEN, "shuffled": UNBEATEN}, "behaviour"),
    (900, {**ALL_BEATEN, "no_text": UNBEATEN}, "behaviour"),
    (900, {**ALL_BEATEN, "no_text": MISSING}, "behaviour"),
    (900, {**ALL_BEATEN, "facts": UNBEATEN, "shuffled": UNBEATEN}, "behaviour"),
    (900, {"facts": BEATEN}, "behaviour"),  # no control of the meaning
    (900, {}, "behaviour"),
    (
        900,
        {"alpha0": BEATEN, "random": BEATEN, "shuffled": BEATEN, "frozen": BEATEN, "teacher": BEATEN, "item": BEATEN},
        "LLM",
    ),
    (900, {"alpha0": BEATEN, "random": BEATEN, "shuffled": BEATEN, "teacher": UNBEATEN, "item": BEATEN}, "behaviour"),
    (900, {"alpha0": BEATEN, "random": BEATEN, "shuffled": BEATEN, "teacher": BEATEN, "item": UNBEATEN}, "behaviour"),
    (900, {"shuffled": BEATEN, EXTENDED: BEATEN}, "LLM"),
    (900, {"shuffled": BEATEN, EXTENDED: UNBEATEN}, "texts"),
    (900, {"shuffled": BEATEN, "facts": {"difference": -0.02, "p_holm": 0.01}}, "texts"),
    (900, {**ALL_BEATEN, "of_ones_own": UNBEATEN}, "behaviour"),
]


@pytest.mark.parametrize("scope", ["methods", "configurations"])
@pytest.mark.parametrize(("tokens", "controls", "credit"), CREDITS)
def test_a_gain_is_credited_to_the_most_that_no_control_takes_back(tokens, controls, credit, scope):
    made = board(entry("lightgcn-guard", tokens=tokens, controls=controls, against=versus(speaks_of=scope)))
    found = find(made)
    assert (found.outcome, found.credit, found.scope) == ("gain", credit, scope)
    top, text = said(made)
    assert ("LLM" in top) == (credit == "LLM")
    assert ("so the difference is what the LLM wrote" in text) == (credit == "LLM")
    assert ("so the difference is what the texts say" in text) == (credit == "texts")
    assert ("not shown to be the texts' merit" in text) == (credit == "behaviour")
    assert ("beats" in text) == (scope == "methods")
    assert ("about these two configurations, not about the methods" in text) == (scope == "configurations")
    for name in found.unbeaten:
        assert re.search(rf"not above .*{name}", text)
    for name in found.missing:
        assert re.search(rf"nothing is known of .*{name}", text)


@pytest.mark.parametrize("scope", ["methods", "configurations"])
@pytest.mark.parametrize(
    ("difference", "p", "outcome"), [(0.01, 0.2, "level"), (-0.01, 0.2, "level"), (-0.01, 0.01, "lower")]
)
def test_without_a_gain_nobody_gets_credit(difference, p, outcome, scope):
    against = versus(difference, p, scope)
    made = board(entry("lightgcn-guard", tokens=900, controls=ALL_BEATEN, against=against))
    assert (find(made).outcome, find(made).credit) == (outcome, "nothing")
    top, text = said(made)
    assert "LLM" not in top + text
    assert ("worse" in (top + text).lower()) == (outcome == "lower" and scope == "methods")
    assert ("can't be told apart" in text) == (outcome == "level")
    assert "beats" not in text


@pytest.mark.parametrize(
    ("ours", "base", "told"),
    [
        (None, "lightgcn-dns", "No method with texts was compared"),
        (entry("lightgcn-guard"), None, "No classical method finished"),
        (None, None, "No classical method finished"),
        (
            entry("lightgcn-guard", against={**versus(), "difference": None, "speaks_of": None}),
            "lightgcn-dns",
            "lightgcn-guard and lightgcn-dns share no finished seed",
        ),
    ],
)
def test_where_nothing_can_be_compared_that_is_said(ours, base, told):
    top, text = said(board(ours, base))
    assert top == "What texts add can't be judged."
    assert text.startswith(told)


def test_no_word_of_the_llm_without_its_tokens_whatever_was_found():
    """Every outcome, every credit, each control beaten, not beaten, or without figures."""
    states = (BEATEN, UNBEATEN, MISSING)
    for words in (
        ("no_text", "shuffled", "facts"),
        ("alpha0", "random", "teacher", "item"),
        ("shuffled", EXTENDED),
        (),
    ):
        for compared, difference, p, scope in itertools.product(
            itertools.product(states, repeat=len(words)), (0.03, -0.03), (0.01, 0.5), ("methods", "configurations")
        ):
            controls = dict(zip(words, compared, strict=True))
            ours = entry("lightgcn-guard", tokens=0, controls=controls, against=versus(difference, p, scope))
            made = board(ours)
            assert not re.search(r"\bLLMs?\b|language model", " ".join(said(made)))
    for ours, base in ((None, "lightgcn-dns"), (entry("lightgcn-guard"), None)):
        assert "LLM" not in " ".join(said(board(ours, base)))


def test_a_gain_without_the_standing_baselines_names_those_that_lack():
    ours = entry("lightgcn-guard", controls=ALL_BEATEN)
    assert "Not compared with popularity, softmax, ease, fusion_cf, which" in verdict(board(ours))
    some = board(ours, others=("ease", "lightgcn-softmax", "popularity", "lightgcn-fusion_cf"))
    assert "Not compared with" not in verdict(some)
    assert find(board(ours, others=("lightgcn-fusion_cf",))).absent == ("popularity", "softmax", "ease")
    assert "Not compared" not in verdict(board(entry("lightgcn-guard", against=versus(0.01, 0.5))))


def test_every_control_says_what_it_leaves():
    for word, control in CONTROLS.items():
        assert control.leaves == ("texts" if word == "facts" else "behaviour")


def test_a_gain_whose_controls_are_configurations_is_one_of_configurations():
    ours = entry("lightgcn-guard", tokens=900, controls=ALL_BEATEN, against=versus(speaks_of="methods"))
    assert find(board(ours)).scope == "methods"
    ours["versus_controls"][1]["speaks_of"] = "configurations"
    assert find(board(ours)).scope == "configurations"
    assert "beats" not in verdict(board(ours))


def test_a_baseline_without_figures_was_not_compared():
    made = board(entry("lightgcn-guard", controls=ALL_BEATEN), others=("ease", "popularity"))
    made["methods"][-1]["test"] = {METRIC: None}
    assert find(made).absent == ("popularity", "softmax", "fusion_cf")


def test_of_several_searches_there_are_more_than_two_configurations():
    made = board(entry("lightgcn-guard", controls=ALL_BEATEN))
    for method in made["methods"]:
        method["searches"] = 2
    assert "That is about these configurations, not about the methods" in verdict(made)
