import json

import numpy as np
import pytest

from hnlm_ray.errors import InputError
from hnlm_ray.tune.leaderboard import leaderboard
from hnlm_ray.tune.methods import family

DATASET = {"users": 300, "items": 90, "interactions": 4000}
USERS = np.random.default_rng(0).uniform(0.05, 0.3, 300)


def trial(method, status="ok", value=0.2, number=0):
    found = [("ndcg@20", value)] if status == "ok" else None
    return {"method": method, "trial": number, "config": "{}", "status": status, "error": None, "validation": found}


def refit(method, seed, mean, validation, status="ok"):
    """A row as pyarrow gives it: maps are lists of pairs."""
    noise = np.random.default_rng([seed, *method.encode()])
    per_user = USERS + mean + 0.01 * noise.normal(size=len(USERS))
    row = {"method": method, "seed": seed, "config": "{}", "status": status, "error": None}
    if status != "ok":
        return {**row, "validation": None, "test": None, "per_user": None}
    test = [("ndcg@20", float(per_user.mean())), ("recall@20", 0.4)]
    return {**row, "validation": [("ndcg@20", validation)], "test": test, "per_user": per_user.tolist()}


def board(means, extra_trials=(), extra_results=()):
    """``means``: method -> (test shift, validation)."""
    trials = [trial(name, value=validation) for name, (_, validation) in means.items()]
    results = [refit(name, seed, *figures) for name, figures in means.items() for seed in (1, 2, 3)]
    found = leaderboard([*trials, *extra_trials], [*results, *extra_results], DATASET)
    json.dumps(found, allow_nan=False)
    return found, {entry["name"]: entry for entry in found["methods"]}


GOOD = {
    "lightgcn-rns": (0.0, 0.18),
    "lightgcn-dns": (0.02, 0.20),
    "lightgcn-pool": (0.05, 0.24),
    "lightgcn-pool_alpha0": (0.02, 0.20),
    "lightgcn-pool_random": (0.01, 0.19),
    "lightgcn-pool_shuffled": (0.015, 0.19),
}


def test_the_names_that_programs_read():
    found, methods = board(GOOD)
    assert {"dataset", "metric", "best_classical", "methods", "verdict"} <= set(found)
    assert found["dataset"] == DATASET
    assert found["metric"] == "ndcg@20"
    for entry in methods.values():
        names = {"name", "family", "trials", "seeds", "validation", "test", "test_std", "versus_best_classical"}
        assert names <= set(entry)
        assert {"difference", "ci95", "p_holm"} == set(entry["versus_best_classical"])
    dns, pool = methods["lightgcn-dns"], methods["lightgcn-pool"]
    assert (pool["family"], pool["trials"], pool["seeds"]) == ("semantic", 1, 3)
    assert pool["validation"]["ndcg@20"] == pytest.approx(0.24)
    assert pool["test"]["ndcg@20"] == pytest.approx(USERS.mean() + 0.05, abs=0.002)
    assert 0 < pool["test_std"]["ndcg@20"] < 0.002
    assert pool["versus_best_classical"]["difference"] == pytest.approx(
        pool["test"]["ndcg@20"] - dns["test"]["ndcg@20"], abs=1e-9
    )
    assert dns["versus_best_classical"] == {"difference": 0.0, "ci95": [0.0, 0.0], "p_holm": 1.0}


def test_methods_are_sorted_by_test_and_the_best_classical_chosen_on_validation():
    found, _ = board({**GOOD, "lightgcn-rns": (0.09, 0.18), "mf-pns": (0.08, 0.19)})
    figures = [entry["test"]["ndcg@20"] for entry in found["methods"]]
    assert figures == sorted(figures, reverse=True)
    assert found["methods"][0]["name"] == "lightgcn-rns"
    assert found["best_classical"] == "lightgcn-dns"


def test_p_values_are_corrected_over_the_methods():
    _, alone = board({name: GOOD[name] for name in ("lightgcn-dns", "lightgcn-pool_shuffled")})
    _, among = board({**GOOD, "mf-pns": (0.02, 0.1), "mf-rns": (0.02, 0.1)})
    one, many = (methods["lightgcn-pool_shuffled"]["versus_best_classical"] for methods in (alone, among))
    assert one["difference"] == many["difference"]
    assert many["p_holm"] > one["p_holm"] > 0


def test_a_method_whose_trials_all_failed_is_listed_with_null_figures():
    failed = [trial("mf-pns", "diverged"), trial("mf-pns", "failed", number=1), trial("mf-pns", "failed", number=2)]
    found, methods = board(GOOD, failed)
    entry = methods["mf-pns"]
    assert found["methods"][-1] is entry
    assert entry["errors"] == {"trials": {"diverged": 1, "failed": 2}, "seeds": {}}
    assert (entry["trials"], entry["seeds"]) == (3, 0)
    nothing = {"ndcg@20": None, "recall@20": None}
    assert (entry["validation"], entry["test"], entry["test_std"]) == (nothing, nothing, nothing)
    assert entry["versus_best_classical"] == {"difference": None, "ci95": [None, None], "p_holm": None}


def test_only_seeds_that_both_finished_are_compared():
    means = {name: figures for name, figures in GOOD.items() if name != "lightgcn-pool"}
    rows = [refit("lightgcn-pool", 1, 0.05, 0.24), refit("lightgcn-pool", 2, 0.0, 0.0, "failed")]
    _, methods = board(means, [trial("lightgcn-pool")], rows)
    entry = methods["lightgcn-pool"]
    assert entry["seeds"] == 1
    assert entry["errors"]["seeds"] == {"failed": 1}
    assert entry["test_std"]["ndcg@20"] is None
    assert entry["versus_best_classical"]["difference"] == pytest.approx(0.03, abs=0.003)


def test_refits_without_validation_take_the_best_trials():
    results = [refit(name, seed, *GOOD[name]) for name in ("lightgcn-rns", "lightgcn-dns") for seed in (1, 2)]
    for row in results:
        row["validation"] = []
    trials = [trial("lightgcn-rns", value=0.3), trial("lightgcn-dns", value=0.1), trial("lightgcn-rns", value=0.2)]
    found = leaderboard(trials, results, DATASET)
    assert found["best_classical"] == "lightgcn-rns"
    assert {entry["name"]: entry["validation"]["ndcg@20"] for entry in found["methods"]} == {
        "lightgcn-rns": 0.3,
        "lightgcn-dns": 0.1,
    }


def test_values_of_different_users_are_refused():
    short = refit("lightgcn-pool", 1, 0.05, 0.24)
    short["per_user"] = short["per_user"][:-1]
    with pytest.raises(InputError, match="299, 300"):
        leaderboard([], [refit("lightgcn-dns", 1, 0.0, 0.2), short], DATASET)


def test_verdict_a_gain_over_classical_and_controls():
    text = board(GOOD)[0]["verdict"]
    assert text.startswith("lightgcn-pool beats the best classical method lightgcn-dns")
    assert "+0.0" in text
    assert "95% CI [+0.0" in text
    assert "it beats every control" in text


def test_verdict_a_gain_that_shuffled_pairs_have_as_well():
    text = board({**GOOD, "lightgcn-pool_shuffled": (0.05, 0.24)})[0]["verdict"]
    assert "beats the best classical" in text
    assert "does not beat every control (lightgcn-pool_shuffled" in text
    assert "no gain can be credited" in text
    assert "pool_random" not in text


@pytest.mark.parametrize(
    ("shift", "words"), [(0.02, "can't be told apart from lightgcn-dns"), (0.005, "is worse than lightgcn-dns")]
)
def test_verdict_says_that_the_llm_adds_nothing(shift, words):
    text = board({**GOOD, "lightgcn-pool": (shift, 0.2)})[0]["verdict"]
    assert text.startswith("The LLM adds nothing")
    assert words in text


def test_verdict_the_semantic_method_is_chosen_on_validation():
    text = board({**GOOD, "mf-pool": (0.2, 0.1)})[0]["verdict"]
    assert text.startswith("lightgcn-pool beats")


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (("lightgcn-pool",), "No classical method finished"),
        (("lightgcn-dns",), "No semantic method finished"),
        (("lightgcn-dns", "lightgcn-pool"), "no control run of lightgcn-pool finished"),
        ((), "No classical method finished"),
    ],
)
def test_verdict_where_something_is_missing(kept, words):
    assert words in board({name: GOOD[name] for name in kept})[0]["verdict"]


def test_controls_of_another_model_are_not_compared():
    _, methods = board({**GOOD, "mf-pool": (0.03, 0.1), "mf-pool_random": (0.01, 0.1)})
    assert [control["name"] for control in methods["mf-pool"]["versus_controls"]] == ["mf-pool_random"]
    assert len(methods["lightgcn-pool"]["versus_controls"]) == 3


def test_a_seed_that_the_best_classical_lost_is_left_out_for_all():
    rows = [refit("lightgcn-dns", 1, 0.02, 0.2), refit("lightgcn-dns", 2, 0.02, 0.2, "diverged")]
    rows += [refit("lightgcn-pool", 1, 0.05, 0.24), refit("lightgcn-pool", 2, 0.25, 0.24)]
    entry = {entry["name"]: entry for entry in leaderboard([], rows, DATASET)["methods"]}["lightgcn-pool"]
    assert entry["seeds"] == 2
    assert entry["versus_best_classical"]["difference"] == pytest.approx(0.03, abs=0.003)


VECTORS = {
    "lightgcn-hnlmrec": (0.06, 0.25),
    "lightgcn-hnlmrec_alpha0": (0.02, 0.20),
    "lightgcn-hnlmrec_random": (0.06, 0.25),
    "lightgcn-hnlmrec_shuffled": (0.02, 0.20),
    "lightgcn-hnlmrec_frozen": (0.02, 0.20),
}


def test_a_semantic_method_is_compared_with_its_own_controls():
    _, methods = board({**GOOD, **VECTORS, "lightgcn-guard": (0.03, 0.2), "lightgcn-guard_no_text": (0.03, 0.2)})
    controls = {name: [one["name"] for one in entry.get("versus_controls", ())] for name, entry in methods.items()}
    assert controls["lightgcn-hnlmrec"] == sorted(name for name in VECTORS if "_" in name)
    assert controls["lightgcn-pool"] == sorted(name for name in GOOD if "_" in name)
    assert controls["lightgcn-guard"] == ["lightgcn-guard_no_text"]
    assert {family(name) for name, found in controls.items() if found} == {"semantic"}


def test_verdict_another_methods_controls_excuse_nothing():
    text = board({**GOOD, **VECTORS})[0]["verdict"]
    assert text.startswith("lightgcn-hnlmrec beats the best classical method lightgcn-dns")
    assert "does not beat every control (lightgcn-hnlmrec_random" in text
    assert "pool" not in text
    assert "it beats every control" in board({**GOOD, **VECTORS, "lightgcn-hnlmrec_random": (0.0, 0.1)})[0]["verdict"]


def test_verdict_a_control_that_did_not_finish_leaves_the_gain_open():
    text = board({name: figures for name, figures in GOOD.items() if name != "lightgcn-pool_random"})[0]["verdict"]
    assert "lightgcn-pool_random did not, so the gain is not proven" in text
