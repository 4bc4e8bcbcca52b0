import json

import numpy as np
import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.compare.leaderboard import leaderboard
from hnlm_ray.compare.user_groups import Groups
from hnlm_ray.compare.verdict import budget_sentence
from hnlm_ray.methods.known import METHODS, family

TOKENS = {"semantic_negatives": 900, "negative_embeddings": 300}
DATASET = {"users": 300, "items": 90, "interactions": 4000}
USERS = np.random.default_rng(0).uniform(0.05, 0.3, 300)


def trial(method, status="ok", value=0.2, number=0):
    found = [("ndcg@20", value)] if status == "ok" else None
    return {
        "method": method,
        "search": 0,
        "trial": number,
        "config": "{}",
        "status": status,
        "error": None,
        "validation": found,
        "cpu_seconds": 1.0,
    }


def refit(method, seed, mean, validation, status="ok"):
    """A row as pyarrow gives it: maps are lists of pairs."""
    noise = np.random.default_rng([seed, *method.encode()])
    per_user = USERS + mean + 0.01 * noise.normal(size=len(USERS))
    row = {"method": method, "search": 0, "seed": seed, "config": "{}", "status": status, "error": None}
    if status != "ok":
        return {**row, "validation": None, "test": None, "per_user": None}
    test = [("ndcg@20", float(per_user.mean())), ("recall@20", 0.4)]
    return {**row, "validation": [("ndcg@20", validation)], "test": test, "per_user": per_user.tolist()}


def board(means, extra_trials=(), extra_results=(), tokens=None):
    """``means``: method -> (test shift, validation)."""
    trials = [trial(name, value=validation) for name, (_, validation) in means.items()]
    results = [refit(name, seed, *figures) for name, figures in means.items() for seed in (1, 2, 3)]
    found = leaderboard([*trials, *extra_trials], [*results, *extra_results], DATASET, tokens=tokens or TOKENS)
    json.dumps(found, allow_nan=False)
    return found, {entry["name"]: entry for entry in found["methods"]}


VERSUS = {
    *("difference", "ci95", "p_holm", "relative", "relative_ci95"),
    *("effect_size", "wins", "ties", "losses", "by_group", "unit", "speaks_of"),
}
GOOD = {
    "lightgcn-rns": (0.0, 0.18),
    "lightgcn-dns": (0.02, 0.20),
    "lightgcn-pool": (0.05, 0.24),
    "lightgcn-pool_alpha0": (0.02, 0.20),
    "lightgcn-pool_random": (0.01, 0.19),
    "lightgcn-pool_shuffled": (0.015, 0.19),
    "lightgcn-pool_facts": (0.015, 0.19),
}


def test_the_names_that_programs_read():
    found, methods = board(GOOD)
    assert {"dataset", "metric", "best_classical", "methods", "verdict"} <= set(found)
    assert found["dataset"] == DATASET
    assert found["metric"] == "ndcg@20"
    for entry in methods.values():
        names = {"name", "family", "dimensions", "searches", "trials", "seeds", "validation", "test", "test_std"}
        assert {*names, "versus_best_classical"} <= set(entry)
        assert set(entry["versus_best_classical"]) == VERSUS
    dns, pool = methods["lightgcn-dns"], methods["lightgcn-pool"]
    assert (pool["family"], pool["trials"], pool["seeds"], pool["searches"]) == ("semantic", 1, 3, 1)
    assert dns["dimensions"] == len(METHODS["dns"].space) == 3
    assert pool["validation"]["ndcg@20"] == pytest.approx(0.24)
    assert pool["test"]["ndcg@20"] == pytest.approx(USERS.mean() + 0.05, abs=0.002)
    assert 0 < pool["test_std"]["ndcg@20"] < 0.002
    assert pool["versus_best_classical"]["difference"] == pytest.approx(
        pool["test"]["ndcg@20"] - dns["test"]["ndcg@20"], abs=1e-9
    )
    assert {"difference": 0.0, "ci95": [0.0, 0.0], "p_holm": 1.0}.items() <= dns["versus_best_classical"].items()


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
    unknown = {**dict.fromkeys(VERSUS), "ci95": [None, None], "relative_ci95": [None, None], "by_group": {}}
    assert entry["versus_best_classical"] == unknown


def test_a_training_that_was_lost_with_its_process_is_no_fault_and_no_figure_of_its_method():
    old = {**trial("lightgcn-pool", "failed", number=2), "error": "its process died twice: give it memory"}
    gone = [trial("mf-pns", "lost", number=n) for n in range(2)]
    refits = [refit("lightgcn-dns", 9, 0.0, 0.0, "lost")]
    found, methods = board(GOOD, [trial("lightgcn-pool", "lost", number=1), old, *gone], refits)
    entry = methods["lightgcn-pool"]
    assert (entry["trials"], entry["errors"], entry["reasons"]) == (1, {"trials": {}, "seeds": {}}, [])
    assert entry["lost"] == {"trials": 2}
    assert methods["lightgcn-dns"]["lost"] == {"seeds": 1}
    assert methods["lightgcn-rns"]["lost"] == {}
    assert found["failed_methods"] == [{"name": "mf-pns", "trials": {"lost": 2}, "errors": []}]
    told = "4 trials were lost with their processes, which is no method's fault: `hnlm stage trials --retry failed`"
    assert told in found["verdict"]
    assert "1 refit was lost with its process, which is no method's fault" in found["verdict"]
    assert "No trial of mf-pns finished (2 lost)" in found["verdict"]
    whole, clean = board(GOOD)
    assert clean["lightgcn-pool"]["versus_best_classical"] == entry["versus_best_classical"]
    assert "fault" not in whole["verdict"]


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
    assert text.startswith(
        "This configuration of lightgcn-pool ranks above that of the best classical method lightgcn-dns"
    )
    assert "+0.0" in text
    assert "95% CI [+0.0" in text
    assert "it is above lightgcn-pool_alpha0 (+0.0" in text
    assert "so the difference is what the LLM wrote" in text
    assert board(GOOD)[0]["finding"] == {"outcome": "gain", "credit": "LLM", "speaks_of": "configurations"}
    assert board(GOOD, tokens={"item_profiles": 900})[0]["finding"]["credit"] == "texts"


def test_verdict_a_gain_that_shuffled_pairs_have_as_well():
    text = board({**GOOD, "lightgcn-pool_shuffled": (0.05, 0.24)})[0]["verdict"]
    assert "ranks above that of the best classical" in text
    assert "but not above lightgcn-pool_shuffled (" in text
    assert "so the difference is not shown to be the texts' merit" in text


@pytest.mark.parametrize(
    ("shift", "words"), [(0.02, "lightgcn-dns can't be told apart"), (0.005, "ranks below that of the best classical")]
)
def test_verdict_says_that_there_is_no_gain(shift, words):
    found = board({**GOOD, "lightgcn-pool": (shift, 0.2)})[0]
    assert words in found["verdict"]
    assert "LLM" not in found["verdict"] + found["headline"]


def test_verdict_the_semantic_method_is_chosen_on_validation():
    text = board({**GOOD, "mf-pool": (0.2, 0.1)})[0]["verdict"]
    assert text.startswith("This configuration of lightgcn-pool ranks above")


def test_a_control_by_facts_may_be_the_best_with_texts_and_its_gain_is_theirs():
    means = {**GOOD, "lightgcn-pool": (0.02, 0.2), "lightgcn-pool_facts": (0.05, 0.25)}
    found, methods = board(means)
    assert found["best_semantic"] == "lightgcn-pool_facts"
    names = [one["name"] for one in methods["lightgcn-pool_facts"]["versus_controls"]]
    assert names == ["lightgcn-pool_alpha0", "lightgcn-pool_random", "lightgcn-pool_shuffled"]
    assert found["finding"] == {"outcome": "gain", "credit": "texts", "speaks_of": "configurations"}
    assert "LLM" not in found["verdict"] + found["headline"]


def test_controls_are_corrected_apart_from_the_methods():
    _, alone = board({name: GOOD[name] for name in ("lightgcn-dns", "lightgcn-pool")})
    _, among = board(GOOD)
    one, same = (methods["lightgcn-pool"]["versus_best_classical"]["p_holm"] for methods in (alone, among))
    assert one <= same <= 3 * one  # rns and pool_facts are methods too, the other controls are not


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (("lightgcn-pool",), "No classical method finished"),
        (("lightgcn-dns",), "No method with texts was compared"),
        (("lightgcn-dns", "lightgcn-pool"), "nothing is known of lightgcn-pool_alpha0, lightgcn-pool_random"),
        ((), "No classical method finished"),
    ],
)
def test_verdict_where_something_is_missing(kept, words):
    assert words in board({name: GOOD[name] for name in kept})[0]["verdict"]


def test_verdict_tells_a_semantic_method_that_failed_from_none_at_all():
    told = board({"lightgcn-dns": GOOD["lightgcn-dns"]}, [trial("lightgcn-pool", "failed")])[0]["verdict"]
    assert "No method with texts finished" in told


def test_controls_of_another_model_are_not_compared():
    _, methods = board({**GOOD, "mf-pool": (0.03, 0.1), "mf-pool_random": (0.01, 0.1)})
    assert [control["name"] for control in methods["mf-pool"]["versus_controls"]] == ["mf-pool_random"]
    assert len(methods["lightgcn-pool"]["versus_controls"]) == 4


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
    "lightgcn-hnlmrec_teacher": (0.02, 0.20),
    "lightgcn-hnlmrec_item": (0.02, 0.20),
}


def test_a_semantic_method_is_compared_with_its_own_controls():
    _, methods = board({**GOOD, **VECTORS, "lightgcn-guard": (0.03, 0.2), "lightgcn-guard_no_text": (0.03, 0.2)})
    controls = {name: [one["name"] for one in entry.get("versus_controls", ())] for name, entry in methods.items()}
    assert controls["lightgcn-hnlmrec"] == sorted(name for name in VECTORS if "_" in name)
    assert controls["lightgcn-pool"] == sorted(name for name in GOOD if "_" in name)
    assert controls["lightgcn-guard"] == ["lightgcn-guard_no_text"]
    assert {name for name, found in controls.items() if found and family(name) != "semantic"} == {"lightgcn-pool_facts"}


def test_verdict_another_methods_controls_excuse_nothing():
    text = board({**GOOD, **VECTORS})[0]["verdict"]
    assert text.startswith("This configuration of lightgcn-hnlmrec ranks above that of the best classical method")
    assert "but not above lightgcn-hnlmrec_random" in text
    assert "pool" not in text
    beaten = board({**GOOD, **VECTORS, "lightgcn-hnlmrec_random": (0.0, 0.1)})[0]
    assert beaten["finding"]["credit"] == "LLM"


def test_verdict_a_control_that_did_not_finish_leaves_the_gain_open():
    text = board({name: figures for name, figures in GOOD.items() if name != "lightgcn-pool_random"})[0]["verdict"]
    assert "but nothing is known of lightgcn-pool_random: so the difference is not shown" in text


def test_how_large_a_difference_is_stands_beside_how_sure_it_is():
    _, methods = board(GOOD)
    versus, base = methods["lightgcn-pool"]["versus_best_classical"], methods["lightgcn-dns"]["test"]["ndcg@20"]
    assert versus["relative"] == pytest.approx(versus["difference"] / base)
    assert versus["relative_ci95"][0] < versus["relative"] < versus["relative_ci95"][1]
    assert versus["effect_size"] == pytest.approx(0.03 / (0.01 * np.sqrt(2 / 3)), rel=0.15)
    assert versus["wins"] > 290
    assert versus["wins"] + versus["ties"] + versus["losses"] == 300
    assert versus["by_group"] == {}
    assert "effect size +" in board(GOOD)[0]["verdict"]


def test_groups_of_users_and_items_have_differences_and_wins_of_their_own():
    groups = Groups(np.arange(300) % 3, np.repeat(np.arange(300), 2), np.arange(600) % 2 * 3)
    rows = [refit(name, seed, *GOOD[name]) for name in ("lightgcn-dns", "lightgcn-pool") for seed in (1, 2)]
    for row in rows:
        row["found"] = [row["method"] == "lightgcn-pool" and place % 2 == 1 for place in range(600)]
    found = leaderboard([], rows, DATASET, groups=groups)
    json.dumps(found, allow_nan=False)
    own = {entry["name"]: entry["versus_best_classical"]["by_group"] for entry in found["methods"]}["lightgcn-pool"]
    assert list(own) == ["history_short", "history_middle", "history_long", "items_unseen", "items_popular"]
    assert own["items_popular"] == {"users": 300, "difference": 1.0, "wins": 300, "ties": 0, "losses": 0}
    assert own["items_unseen"] == {"users": 300, "difference": 0.0, "wins": 0, "ties": 300, "losses": 0}
    assert own["history_short"]["users"] == 100
    assert own["history_short"]["difference"] == pytest.approx(0.03, abs=0.004)


def test_the_verdict_states_the_budget_and_the_best_classical_sampler():
    found, _ = board(GOOD)
    assert found["budget"] == {"trials": [1, 1], "dimensions": [0, 3], "cpu_seconds": [1.0, 1.0]}
    assert "the best classical method lightgcn-dns" in found["verdict"]
    assert found["verdict"].endswith("Tuning of each method: 1 trial over 0 to 3 dimensions and 1.0 CPU seconds.")
    assert budget_sentence({"trials": [3, 3], "dimensions": [2, 2], "cpu_seconds": [0.18, 12.4]}).endswith(
        "0.2 to 12 CPU seconds."
    )
    trials = [
        {**trial(name), "cpu_seconds": seconds}
        for name, seconds in zip(GOOD, (9, 11, 10, 10, 10, 10.4, 10), strict=True)
    ]
    trials.append(
        {**trial("lightgcn-rns", number=1, status="pruned"), "validation": [("ndcg@20", 0.1)], "cpu_seconds": 1.0}
    )
    results = [refit(name, seed, *figures) for name, figures in GOOD.items() for seed in (1, 2, 3)]
    found = leaderboard(trials, results, DATASET, search={"search": "tpe", "equal": "cpu_seconds"})
    spent = {"trials": [1, 2], "dimensions": [0, 3], "cpu_seconds": [10.0, 11.0]}
    assert found["budget"] == {"search": "tpe", "equal": "cpu_seconds", **spent}
    told = (
        "Tuning of each method: 1 to 2 trials over 0 to 3 dimensions and 10 to 11 CPU seconds, tpe search; "
        "equal for all that search by CPU seconds."
    )
    assert found["verdict"].endswith(told)
    entry = {entry["name"]: entry for entry in found["methods"]}["lightgcn-rns"]
    assert (entry["trials"], entry["pruned"], entry["cpu_seconds"], entry["errors"]["trials"]) == (2, 1, 10.0, {})


def test_a_method_whose_trials_all_failed_is_named_with_its_errors():
    messages = ["loss nan in epoch 3, lr 0.01", "loss nan in epoch 4, lr 0.02", "no memory"]
    failed = [{**trial("mf-pns", "diverged", number=n), "error": message} for n, message in enumerate(messages)]
    found, methods = board(GOOD, failed)
    (named,) = found["failed_methods"]
    assert (named["name"], named["trials"]) == ("mf-pns", {"diverged": 3})
    assert named["errors"] == methods["mf-pns"]["reasons"]
    assert named["errors"][0] == {"error": "loss nan in epoch N, lr N", "count": 2}
    assert found["verdict"].endswith("No trial of mf-pns finished (3 diverged; loss nan in epoch N, lr N).")
    assert board(GOOD, [trial("lightgcn-pool", "failed", number=1)])[0]["failed_methods"] == []


def test_an_error_can_bring_neither_secrets_nor_control_characters_nor_length():
    failed = [{**trial("mf-pns", "failed"), "error": "\x1b[2J s3://key:hunter2@bucket " + "x" * 10_000}]
    verdict = board(GOOD, failed)[0]["verdict"]
    assert "hunter2" not in verdict
    assert "\x1b" not in verdict
    assert len(verdict) < 1500
