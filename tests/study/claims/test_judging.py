from dataclasses import replace

import numpy as np
import pytest
from made_runs import made_point, made_run
from scipy import stats

from hnlm_ray.compare.significance import Spread
from hnlm_ray.study.claims.convergence import reached_at
from hnlm_ray.study.claims.differences import Difference, over_refits, over_seeds
from hnlm_ray.study.claims.judging import CLAIMS, judge_claims, verdict_of
from hnlm_ray.study.study_file import load_study
from hnlm_ray.study.words import claim_verdict

CONTROLS = {"mf_pool_alpha0": 0.20, "mf_pool_random": 0.20, "mf_pool_shuffled": 0.20, "mf_pool_facts": 0.20}


def judged(name, *runs, first="main"):
    (claim,) = judge_claims([name], runs, first)
    return claim


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_without_its_data_is_not_tested_and_says_what_is_lacking(name):
    for runs in ((), (made_run(mf_dns=0.2, mf_rns=0.1),)):
        claim = judged(name, *runs)
        assert claim["verdict"] == "not tested"
        assert claim["lacking"]
        assert all(claim["lacking"])


@pytest.mark.parametrize(
    ("pool", "verdict"), [(0.25, "holds"), (0.2002, "can't be told"), (0.2, "can't be told"), (0.1, "does not hold")]
)
def test_semantic_negatives_are_judged_by_the_difference_to_the_best_classical_method(pool, verdict):
    spread = 0.02 if pool in {0.25, 0.1} else 0.5
    own = {"mf_pool": {"mean": pool, "spread": spread}, **CONTROLS, "mf_pool_facts": min(pool, 0.2)}
    claim = judged("semantic", made_run(mf_dns=0.2, mf_rns=0.1, **own))
    assert claim["verdict"] == verdict
    assert claim["tests"][0]["about"] == "a/main: mf-pool against mf-dns"
    assert len(claim["tests"]) == 5
    assert (claim["needed"] is not None) == (verdict == "can't be told")


def test_a_gain_that_a_control_has_too_or_that_no_control_was_run_for_is_not_credited_to_the_meaning():
    beaten = made_run(mf_dns=0.2, mf_pool=0.25, **{**CONTROLS, "mf_pool_random": 0.30})
    assert judged("semantic", beaten)["verdict"] == "does not hold"
    alone = judged("semantic", made_run(mf_dns=0.2, mf_pool=0.25))
    assert alone["verdict"] == "can't be told"
    assert "control" in alone["needed"]


@pytest.mark.parametrize("absent", CONTROLS)
def test_a_control_that_was_not_run_leaves_the_claim_unproven(absent):
    there = {name: mean for name, mean in CONTROLS.items() if name != absent}
    claim = judged("semantic", made_run(mf_dns=0.2, mf_pool=0.25, **there))
    assert {test["outcome"] for test in claim["tests"]} == {"holds"}
    assert (claim["verdict"], claim["needed"]) == ("can't be told", "a refit of every control of each semantic method")
    assert claim["lacking"] == [
        f"a/main: {absent.replace('mf_', 'mf-')} was not run, so a gain of mf-pool could not be credited to its meaning"
    ]


def test_one_data_set_on_which_a_claim_does_not_hold_refutes_it():
    runs = [
        made_run(name, mf_dns=0.2, mf_pool=pool, **{**CONTROLS, "mf_pool_facts": min(pool, 0.2)})
        for name, pool in (("a", 0.25), ("b", 0.15))
    ]
    assert judged("semantic", runs[0])["verdict"] == "holds"
    assert judged("semantic", *runs)["verdict"] == "does not hold"


def test_sparsity_compares_the_gains_with_the_fewest_and_the_most_training_rows():
    full = made_run(variant="full", share=1.0, mf_dns=0.2, mf_pool=0.21)
    middle = made_run(variant="half", share=0.5, mf_dns=0.15, mf_pool=0.15)
    larger, smaller = (made_run(variant="fifth", share=0.2, mf_dns=0.1, mf_pool=pool) for pool in (0.15, 0.1))
    found = judged("sparsity", full, middle, larger, first="full")
    assert found["verdict"] == "holds"
    assert found["tests"][0]["difference"] == pytest.approx(0.04, abs=0.005)
    assert [row["train_share"] for row in found["figures"]] == [0.2, 0.5, 1.0]
    assert judged("sparsity", full, middle, smaller, first="full")["verdict"] == "does not hold"
    (lacking,) = judged("sparsity", full, first="full")["lacking"]
    assert "prepare.split.train_share" in lacking


def test_popularity_needs_more_of_the_rare_and_less_of_the_popular():
    base = {"mean": 0.2, "rare": 0.2, "popularity": 50.0}
    better = {"mean": 0.2, "rare": 0.6, "popularity": 30.0}
    assert judged("popularity", made_run(mf_dns=base, mf_pool=better))["verdict"] == "holds"
    popular = made_run(mf_dns=base, mf_pool={**better, "popularity": 60.0})
    assert judged("popularity", popular)["verdict"] == "does not hold"
    run = made_run(mf_dns=base, mf_pool=better)
    for row in run.methods["mf-pool"].results:
        row["catalogue"] = None
    half = judged("popularity", run)
    assert half["verdict"] == "can't be told"
    assert "how popular" in half["lacking"][0]


def test_convergence_is_to_a_figure_that_both_come_to():
    assert reached_at([(1, 0.1), (2, 0.5), (3, 1.0)], [(1, 0.1), (2, 0.4), (3, 0.5)]) == (2, 3)
    quick = made_run(mf_dns={"mean": 0.2, "speed": 1.0}, mf_pool={"mean": 0.2, "speed": 5.0})
    found = judged("convergence", quick)
    assert found["claim"].endswith("at about the same learning rate.")
    assert found["verdict"] == "holds"
    assert [test["difference"] for test in found["tests"]] == pytest.approx([(7 + 6 + 6) / 3] * 2)
    slow = made_run(mf_dns={"mean": 0.2, "speed": 5.0}, mf_pool={"mean": 0.2, "speed": 1.0})
    assert judged("convergence", slow)["verdict"] == "does not hold"


def test_convergence_is_compared_at_one_learning_rate_alone():
    base = {"mean": 0.2, "lr": 0.01}
    quick = {"mean": 0.25, "speed": 5.0}
    apart = judged("convergence", made_run(mf_dns=base, mf_pool={**quick, "lr": 0.016}))
    assert (apart["verdict"], apart["tests"]) == ("not tested", [])
    assert "mf-pool was trained at learning rate 0.016, mf-dns at 0.01" in apart["lacking"][0]
    alike = {**quick, "lr": 0.0149}
    found = judged("convergence", made_run(mf_dns=base, mf_pool=alike))
    assert found["verdict"] == "holds"
    assert found["figures"][0]["learning rate of the semantic"] == "0.0149"
    assert found["figures"][0]["of the classical"] == "0.01"
    other = made_run(mf_dns=base, mf_guard={**quick, "mean": 0.3, "lr": 0.1}, mf_pool=alike)
    assert judged("convergence", other)["tests"][0]["about"].startswith("a/main: mf-pool against mf-dns")
    one_refit = made_run(mf_dns=base, mf_pool={**quick, "lr": 0.1})
    one_refit.methods["mf-pool"].results[0]["config"] = '{"lr": 0.01}'
    assert judged("convergence", one_refit)["verdict"] == "not tested"


def test_generalisation_is_that_a_transferred_llm_loses_little():
    def pair(transferred):
        means = {"rebuilt": 0.2, "transferred": transferred}
        return [
            made_run(variant=name, vectors=["mf-hnlmrec"], mf_dns=0.2, mf_hnlmrec=mean) for name, mean in means.items()
        ]

    assert judged("generalisation", *pair(0.2), first="rebuilt")["verdict"] == "holds"
    assert judged("generalisation", *pair(0.15), first="rebuilt")["verdict"] == "does not hold"
    (lacking,) = judged("generalisation", made_run(mf_dns=0.2, mf_pool=0.2))["lacking"]
    assert "finetune.model" in lacking


def test_p_is_corrected_over_all_tests_of_all_claims():
    run = made_run(mf_dns=0.2, mf_pool={"mean": 0.204, "spread": 0.04}, **CONTROLS)
    (alone,), both = (judge_claims(names, [run], "main") for names in (["semantic"], ["semantic", "popularity"]))
    assert all(a["p_holm"] <= b["p_holm"] for a, b in zip(alone["tests"], both[0]["tests"], strict=True))
    least = min(alone["tests"], key=lambda test: test["p"])
    assert least["p_holm"] == pytest.approx(5 * least["p"])


def difference(size, error, base=0.2):
    """One of known error, with 1,000 degrees of freedom."""
    return Difference("x", "ndcg@20", size, (Spread(error, 1000.0),), 2 * stats.t.sf(abs(size) / error, 1000.0), base)


def test_what_would_be_needed_shrinks_the_interval_to_the_difference():
    wide = difference(0.01, 0.01)
    assert wide.outcome(0.3, 1) == "can't be told"
    assert wide.needed(1) == pytest.approx(stats.t.isf(0.025, 1000) ** 2)
    assert wide.needed(20) == pytest.approx(stats.t.isf(0.025 / 20, 1000) ** 2)
    assert difference(-0.01, 0.01).needed(1) == pytest.approx((stats.t.isf(0.025, 1000) / 1.2) ** 2)
    assert Difference("x", "ndcg@20", 0.0, (Spread(0.0, 2),), 1.0, 0.0).needed(1) == np.inf


def test_what_is_refuted_is_refuted_with_all_tests_together():
    """1.96 standard errors leave the margin of 1% out, the 3.5 of twenty intervals at once do not."""
    small = difference(-0.0005, 0.001)
    assert small.ci95[1] < 0.002 < small.simultaneous(20)[1]
    assert small.outcome(1.0, 1) == "does not hold"
    assert small.outcome(1.0, 20) == "can't be told"
    assert difference(-0.003, 0.001).outcome(1.0, 20) == "does not hold"


@pytest.mark.parametrize(("gain", "alone"), [(0.01, 0.25), (0.015, 0.02)])
def test_a_claim_that_is_true_on_all_of_twenty_data_sets_is_seldom_refuted(gain, alone):
    """By intervals of 95% each it is, in a third of the studies where the gain is the margin itself."""
    draw, studies, tests, error = np.random.default_rng(0), 400, 20, 0.0015
    drawn = [[difference(gain * 0.2 + error * z, error) for z in row] for row in draw.normal(size=(studies, tests))]
    refuted = np.mean([any(one.outcome(1.0, tests) == "does not hold" for one in study) for study in drawn])
    assert refuted <= 0.05
    assert np.mean([any(one.ci95[1] < 0.002 for one in study) for study in drawn]) > alone


def test_seeds_alone_are_a_sample_where_a_figure_is_one_a_refit():
    found = over_seeds("x", "epochs", [3.0, 4.0, 5.0], [1.0, 1.0, 1.0])
    assert found.difference == 3
    assert found.p == pytest.approx(0.0351, abs=1e-3)
    assert found.ci95[0] > 0
    assert over_seeds("x", "epochs", [2.0, 2.0, 2.0], [1.0, 1.0, 1.0]).p == 0.25


def test_one_figure_a_refit_is_a_mean_over_a_search_where_there_are_several():
    refits = [({"search": search}, {"search": search}) for search in (0, 0, 1, 1, 2, 2)]
    ours, base = [1.0, 3.0, 4.0, 4.0, 5.0, 9.0], [1.0] * 6
    found = over_refits("x", "epochs", refits, ours, base, speaks_of="methods")
    means = over_seeds("x", "epochs", [2.0, 4.0, 7.0], [1.0] * 3)
    assert (found.difference, found.p, found.ci95) == (means.difference, means.p, means.ci95)
    assert (found.speaks_of, means.speaks_of) == ("methods", "configurations")
    one_search = over_refits("x", "epochs", [({"search": 0}, {"search": 0})] * 6, ours, base, speaks_of="methods")
    assert one_search.ci95 == over_seeds("x", "epochs", ours, base).ci95


def test_a_verdict_speaks_of_methods_where_all_its_tests_do():
    means = {"mf_dns": 0.2, "mf_pool": 0.25, **CONTROLS}
    told = [
        judged("semantic", made_run(searches=searches, trials=trials, **means))
        for searches, trials in ((3, 7), (3, 6), (1, 30))
    ]
    assert [(claim["verdict"], claim["speaks_of"]) for claim in told] == [
        ("holds", "methods"), ("holds", "configurations"), ("holds", "configurations"),
    ]  # fmt: skip
    assert [claim_verdict(claim) for claim in told[:2]] == ["holds", "holds for these configurations"]
    assert judged("semantic")["speaks_of"] is None


def test_what_one_search_found_is_no_proof_where_searches_differ():
    """A gain of a tenth, which a single search tells from chance and three searches that vary by more do not."""
    means = {"mf_dns": 0.2, "mf_pool": 0.22, **CONTROLS}
    one, three = (made_run(searches=searches, trials=20, luck=0.15, **means) for searches in (1, 3))
    p = [judged("semantic", run)["tests"][0]["p"] for run in (one, three)]
    assert p[0] < 0.05 < p[1]


def test_outcomes_together():
    assert verdict_of([]) == "not tested"
    assert verdict_of(["holds", "holds"]) == "holds"
    assert verdict_of(["holds", "can't be told"]) == "can't be told"
    assert verdict_of(["holds", "can't be told", "does not hold"]) == "does not hold"


def test_the_shipped_study_of_the_claims_tests_each_where_its_variants_and_methods_can(repository):
    """Generalisation needs an LLM of another data set: the shipped study says so, two more variants test it."""
    study = load_study(str(repository / "configs" / "studies" / "claims.yaml")).config
    means = {f"mf_{name}": 0.25 if name in {"pool", "hnlmrec"} else 0.2 for name in study.methods}
    shares = [one.changes.get("prepare", {}).get("split", {}).get("train_share", 1.0) for one in study.variants]
    runs = [
        made_run(variant=one.name, share=share, vectors=["mf-hnlmrec"], **means)
        for one, share in zip(study.variants, shares, strict=True)
    ]
    verdicts = {claim["name"]: claim["verdict"] for claim in judge_claims(study.claims, runs, study.variants[0].name)}
    assert list(verdicts) == list(CLAIMS)
    assert [name for name, verdict in verdicts.items() if verdict == "not tested"] == [
        "false_negatives",
        "generalisation",
    ]
    points = [made_point("mf-pool"), made_point("mf-pool_random", "mf-pool")]
    runs = [replace(run, frontier=points) for run in runs]
    more = [made_run(variant=name, vectors=["mf-hnlmrec"], **means) for name in ("rebuilt", "transferred")]
    judgements = judge_claims(study.claims, [*runs, *more], study.variants[0].name)
    assert "not tested" not in {claim["verdict"] for claim in judgements}
