import pytest
from made_runs import made_run

from hnlm_ray.study.claims import CLAIMS, judge_claims, verdict_of
from hnlm_ray.study.claims_convergence import reached_at
from hnlm_ray.study.differences import Difference, over_seeds
from hnlm_ray.study.study_file import load_study

CONTROLS = {"mf_pool_alpha0": 0.20, "mf_pool_random": 0.20, "mf_pool_shuffled": 0.20}


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
    claim = judged("semantic", made_run(mf_dns=0.2, mf_rns=0.1, mf_pool={"mean": pool, "spread": spread}, **CONTROLS))
    assert claim["verdict"] == verdict
    assert claim["tests"][0]["about"] == "a/main: mf-pool against mf-dns"
    assert len(claim["tests"]) == 4
    assert (claim["needed"] is not None) == (verdict == "can't be told")


def test_a_gain_that_a_control_has_too_or_that_no_control_was_run_for_is_not_credited_to_the_meaning():
    beaten = made_run(mf_dns=0.2, mf_pool=0.25, **{**CONTROLS, "mf_pool_random": 0.30})
    assert judged("semantic", beaten)["verdict"] == "does not hold"
    alone = judged("semantic", made_run(mf_dns=0.2, mf_pool=0.25))
    assert alone["verdict"] == "can't be told"
    assert "control" in alone["needed"]


def test_one_data_set_on_which_a_claim_does_not_hold_refutes_it():
    runs = [made_run(name, mf_dns=0.2, mf_pool=pool, **CONTROLS) for name, pool in (("a", 0.25), ("b", 0.15))]
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


def test_false_negatives_are_those_of_hard_samplers():
    run = made_run(mf_dns={"mean": 0.2, "false": 0.3}, mf_rns={"mean": 0.3, "false": 0.01}, mf_pool=0.2)
    found = judged("false_negatives", run)
    assert found["verdict"] == "holds"
    assert found["tests"][0]["about"].startswith("a/main: mf-pool against mf-dns")
    assert found["figures"][0]["share_at_random"] == 0.02
    without = made_run(mf_rns=0.2, mf_pool=0.2)
    assert judged("false_negatives", without)["verdict"] == "not tested"
    assert judged("false_negatives", made_run(mf_dns={"mean": 0.2, "false": 0.05}, mf_pool=0.2))["verdict"] == (
        "does not hold"
    )


def test_convergence_is_to_a_figure_that_both_come_to():
    assert reached_at([(1, 0.1), (2, 0.5), (3, 1.0)], [(1, 0.1), (2, 0.4), (3, 0.5)]) == (2, 3)
    quick = made_run(mf_dns={"mean": 0.2, "speed": 1.0}, mf_pool={"mean": 0.2, "speed": 5.0})
    found = judged("convergence", quick)
    assert found["verdict"] == "holds"
    assert [test["difference"] for test in found["tests"]] == pytest.approx([(7 + 6 + 6) / 3] * 2)
    slow = made_run(mf_dns={"mean": 0.2, "speed": 5.0}, mf_pool={"mean": 0.2, "speed": 1.0})
    assert judged("convergence", slow)["verdict"] == "does not hold"


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
    assert least["p_holm"] == pytest.approx(4 * least["p"])


def test_what_would_be_needed_shrinks_the_interval_to_the_difference():
    wide = Difference("x", "ndcg@20", 0.01, (-0.01, 0.03), 0.3, 0.2)
    assert wide.outcome(0.3) == "can't be told"
    assert wide.needed() == pytest.approx(4)
    assert Difference("x", "ndcg@20", 0.0001, (-0.001, 0.0012), 0.9, 0.2).outcome(0.9) == "does not hold"


def test_seeds_alone_are_a_sample_where_a_figure_is_one_a_refit():
    found = over_seeds("x", "epochs", [3.0, 4.0, 5.0], [1.0, 1.0, 1.0])
    assert found.difference == 3
    assert found.p == pytest.approx(0.0351, abs=1e-3)
    assert found.ci95[0] > 0
    assert over_seeds("x", "epochs", [2.0, 2.0, 2.0], [1.0, 1.0, 1.0]).p == 0.25


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
    assert [name for name, verdict in verdicts.items() if verdict == "not tested"] == ["generalisation"]
    more = [made_run(variant=name, vectors=["mf-hnlmrec"], **means) for name in ("rebuilt", "transferred")]
    judgements = judge_claims(study.claims, [*runs, *more], study.variants[0].name)
    assert "not tested" not in {claim["verdict"] for claim in judgements}
