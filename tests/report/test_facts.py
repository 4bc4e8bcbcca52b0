"""What the sections say, on small tables made by hand."""

import numpy as np
import pyarrow as pa
import pytest

from hnlm_ray.cf.evaluate import slices as cf_slices
from hnlm_ray.compare.leaderboard import leaderboard
from hnlm_ray.compare.search_effects import Point
from hnlm_ray.report.facts.comparison import HISTORIES, POPULARITIES, comparison, hardness_facts, slice_facts
from hnlm_ray.report.facts.data import data_facts, lost, settings, tail_facts
from hnlm_ray.report.facts.frontier import frontier_facts, frontier_words
from hnlm_ray.report.facts.run import is_checkable, recommendation_facts, spent, stage_facts
from hnlm_ray.report.facts.samples import sample_facts
from hnlm_ray.report.facts.search import by_parameter, search_facts
from hnlm_ray.report.facts.summary import caveats, cost, summary, told
from hnlm_ray.report.facts.texts import negative_facts, text_facts
from hnlm_ray.report.facts.training import curve_facts, finetune_facts, thinned
from hnlm_ray.report.words import counted, figure, metric_in_words, moment, p_value, text
from hnlm_ray.workspace import Manifest, PublishedTables
from hnlm_ray.workspace.shown_tables import ShownTables
from hnlm_ray.workspace.tables import TABLES

CONTROLS = ("mf-pool_alpha0", "mf-pool_random", "mf-pool_shuffled")
TOKENS = {"semantic_negatives": 900}


def board(rows):
    trials = [{**row, "trial": 0} for row in rows if row["seed"] == 1]
    return leaderboard(trials, rows, {"users": 6, "items": 8, "interactions": 48}, tokens=TOKENS)


def test_the_summary_names_what_was_tested_what_won_and_by_how_much(results_rows):
    facts = summary(board(results_rows), [], 12)
    assert (facts["outcome"], facts["credit"], facts["scope"]) == (
        "gain",
        "texts",
        "configurations",
    )  # pool_facts lacks
    assert facts["tested"] == {
        "users": 6, "interactions": 48, "catalogue": 8, "methods": 6, "trials": 1, "searches": 1, "seeds": 2,
    }  # fmt: skip
    assert facts["leader"]["name"] == facts["ours"]["name"] == "mf-pool"
    assert facts["base"]["name"] == "mf-dns"
    assert facts["gain"]["difference"] == pytest.approx(0.04)
    assert facts["gain"]["relative"] == pytest.approx(0.04 / 0.21)
    assert [control["name"] for control in facts["controls"]] == list(CONTROLS)
    assert all(control["beaten"] for control in facts["controls"])
    assert facts["missing"] == ["mf-pool_facts"]
    assert facts["leader"]["told"] == "It uses what the LLM wrote."


def test_a_control_without_a_result_is_named_and_proves_nothing(results_rows):
    facts = summary(board([row for row in results_rows if row["method"] != "mf-pool_random"]), [], 12)
    assert (facts["outcome"], facts["credit"]) == ("gain", "behaviour")
    assert facts["missing"] == ["mf-pool_random", "mf-pool_facts"]
    assert "not shown to be the texts' merit" in facts["headline"]
    assert "nothing is known of mf-pool_random, mf-pool_facts" in facts["verdict"]


def test_what_a_method_goes_by_is_told_by_what_it_reads(results_rows):
    entries = {entry["name"]: entry for entry in board(results_rows)["methods"]}
    assert told(entries["mf-dns"]) == "It goes by behaviour alone and reads no text."
    assert told(entries["mf-pool_random"]).startswith("It is a control of pool, without the meaning: random ones")
    assert told({**entries["mf-pool"], "llm_tokens": 0}) == "It reads the items' texts."


def test_costs_are_added_up_and_caveats_tell_what_there_is_too_little_of():
    rows = {"ok": 5, "none": 1, "failed": 2, "todo": 0}
    stages = [{"rows": rows, "seconds": 2.5, "tokens": {"in": n, "out": n // 2}} for n in (0, 100, 40)]
    assert cost(stages) == {
        "tokens_in": 140, "tokens_out": 70, "seconds": 7.5, "llm_seconds": 5.0, "rows": 16, "failed": 4,
    }  # fmt: skip
    assert caveats({"users": 1000, "seeds": 5, "trials": 10}) == []
    assert caveats({"users": 1000, "searches": 5, "trials": 10}) == []
    assert caveats({"users": 1000, "searches": 4, "trials": 10}) == [
        "searches: 4. How much a search finds by itself is known only roughly"
    ]
    told = caveats({"users": 999, "seeds": 4, "trials": 9})
    assert [sentence.partition(".")[0] for sentence in told] == ["test users: 999", "seeds: 4", "trials a method: 9"]


def test_the_caveats_are_of_the_two_compared_methods_and_their_test_users(results_rows):
    few = [{**row, "seed": seed} for row in results_rows if row["seed"] == 1 for seed in range(1, 6)]
    few = [row for row in few if row["method"] != "mf-dns" or row["seed"] <= 3]
    answer = {**board(few), "dataset": {"users": 5000, "items": 8, "interactions": 48}}
    for entry in answer["methods"]:
        entry["trials"] = 7 if entry["name"] == "mf-pool" else 10
    told = summary(answer, [], 12)["caveats"]
    assert [sentence.partition(".")[0] for sentence in told] == ["test users: 12", "seeds: 3", "trials a method: 7"]
    assert summary(answer, [], 1000)["caveats"] == told[1:]


def test_with_several_searches_these_are_what_there_may_be_too_few_of(results_rows):
    """Two searches of two refits each are four refits, and two draws of the sample."""
    rows = [{**row, "search": n, "seed": 10 * n + row["seed"]} for n in (0, 1) for row in results_rows]
    trials = [{**row, "trial": trial} for row in rows if row["seed"] % 10 == 1 for trial in range(10)]
    answer = leaderboard(trials, rows, {"users": 6, "items": 8, "interactions": 48}, tokens=TOKENS)
    facts = summary(answer, [], 1000)
    assert facts["caveats"] == ["searches: 2. How much a search finds by itself is known only roughly"]
    assert (facts["unit"], facts["leader"]["unit"]) == ("searches", "searches")
    assert facts["tested"] | {"searches": 2, "seeds": 4, "trials": 20} == facts["tested"]
    assert {row["unit"] for row in comparison(answer)} == {"searches"}
    lone = summary(board(results_rows), [], 1000)
    assert (lone["unit"], lone["leader"]["unit"]) == ("seeds", "seeds")
    nothing = {**answer, "best_semantic": None, "best_classical": None}
    assert summary(nothing, [], 1000)["unit"] == "searches"


def test_each_control_stands_below_its_method(results_rows):
    names = [row["name"] for row in comparison(board(results_rows))]
    assert names == ["mf-dns", "mf-rns", "mf-pool", *CONTROLS]
    orphans = [row for row in results_rows if row["method"] != "mf-pool"]
    assert {row["name"] for row in comparison(board(orphans))} == set(names) - {"mf-pool"}


def test_what_was_left_out_has_its_reason_and_zeros_are_not_told():
    rows = lost({"interactions": 100}, {"no number": 3}, {"below_rating": 40, "duplicates": 0, "rows": 100})
    assert [(row["count"], row["why"], row["subtracted"]) for row in rows] == [
        (3, "left out: no number", False),
        (100, "read from the source", False),
        (40, "rated below prepare.min_rating", True),
    ]
    assert lost({}, {}, {}) == []


def test_the_long_tail():
    facts = tail_facts(np.array([60, 20, 10, 5, 3, 1, 1, 0, 0, 0]))
    assert facts["held"] == [
        {"share": 0.01, "top": 1, "holds": 0.6},
        {"share": 0.1, "top": 1, "holds": 0.6},
        {"share": 0.5, "top": 5, "holds": 0.98},
    ]
    assert (facts["without"], facts["median"]) == (3, 2.0)
    assert facts["points"][0] == (1, 60)
    assert facts["points"][-1] == (10, 0)


def test_settings_are_flat_without_unset_values_and_with_secrets_masked():
    tree = {"a": {"b": 1, "token": "hunter2"}, "c": None, "d": ["s3://key:secret@bucket"]}
    assert settings(tree) == [("a.b", "1"), ("a.token", "***"), ("d", "['s3://***@bucket']")]


def test_curves_are_means_over_the_seeds_while_all_ran():
    def refit(seed, losses):
        curve = [{"epoch": n, "loss": loss, "validation": loss if n == 2 else None} for n, loss in enumerate(losses, 1)]
        return {"method": "mf-rns", "seed": seed, "epochs": len(losses), "best_epoch": 1, "curve": curve}

    (facts,) = curve_facts([refit(1, [4, 2]), refit(2, [2, 1, 9]), {**refit(3, []), "curve": None}])
    assert facts["epochs"] == [
        {"epoch": 1, "loss": 3.0, "validation": None, "hardness": None, "share": None},
        {"epoch": 2, "loss": 1.5, "validation": 1.5, "hardness": None, "share": None},
    ]
    assert (facts["refits"], facts["ran"], facts["shown"]) == (2, [2, 3], facts["epochs"][1:])
    assert curve_facts([{**refit(3, []), "curve": None}]) == []


def test_false_negatives_by_epoch_are_means_over_the_seeds(results_rows):
    dns = next(curve for curve in curve_facts(results_rows) if curve["name"] == "mf-dns")
    assert [(point["epoch"], point["share"]) for point in dns["false"]] == [(1, 0.02625), (4, 0.0525)]
    assert dns["false"][0]["hardness"] == pytest.approx(0.21)
    curve = [{"epoch": 1, "loss": 1.0, "validation": None, "hardness": 0.5, "false_negative_share": None}]
    without = [{"method": "mf-rns", "seed": 1, "epochs": 1, "best_epoch": 1, "curve": curve}]  # nothing is held out
    assert curve_facts(without)[0]["false"] == []


def test_thinned_rows_keep_both_ends():
    assert thinned(range(100), 4) == [0, 33, 66, 99]
    assert thinned(range(3), 4) == [0, 1, 2]


def test_groups_and_hardness_are_means_over_the_refits(results_rows):
    facts = slice_facts(results_rows, ["mf-rns", "mf-pool", "mf-gone"])
    assert [method["name"] for method in facts["methods"]] == ["mf-rns", "mf-pool"]
    assert facts["methods"][0]["history_short"] == pytest.approx(0.1)
    assert facts["methods"][0]["items_unseen"] is None
    assert (facts["sizes"]["history_short"], facts["sizes"]["items_rare"], facts["sizes"]["history_long"]) == (4, 7, 0)
    (point,) = hardness_facts(results_rows, {"mf-dns": "classical"})
    assert point == {"name": "mf-dns", "family": "classical", "hardness": 0.21, "share": 0.0525, "refits": 2}
    without = [{**row, "slices": None, "hardness": None} for row in results_rows]
    assert slice_facts(without, ["mf-rns"]) is None
    assert hardness_facts(without, {"mf-dns": "classical"}) == []


def test_the_groups_are_those_that_are_measured():
    assert tuple(HISTORIES) == cf_slices.HISTORIES
    assert tuple(POPULARITIES) == cf_slices.POPULARITIES


def test_samples_are_drawn_by_seed_good_ones_and_failed_ones(filled):
    facts = sample_facts(filled, 1)
    assert [row["status"] for row in facts["users"]] == ["ok", "ok", "ok", "invalid", "invalid"]
    assert [row["status"] for row in facts["negatives"]].count("invalid") == 1
    assert facts == sample_facts(filled, 1)
    assert facts != sample_facts(filled, 2)
    (grounded, *_) = (row["grounded"] for row in facts["negatives"])
    assert [item["weight"] for item in grounded] == pytest.approx([0.9, 0.1])


def test_texts_are_told_with_their_figures_and_what_became_of_the_negatives(filled, text_counts):
    facts = text_facts(filled, 1)
    names = ["item_profiles", "user_profiles", "judgements", "semantic_negatives"]
    assert [stage["name"] for stage in facts["stages"]] == names
    stage = facts["stages"][3]
    assert (stage["rows"], stage["by_status"]) == (10, {"ok": 7, "none": 1, "invalid": 2})
    assert (stage["tokens_in"], stage["tokens_out"]) == (3.5, 2.0)
    assert {name: stage[name] for name in text_counts} == text_counts
    negatives = facts["negatives"]
    assert [(row["name"], row["share"]) for row in negatives["texts"]] == [
        ("exact_title", 0.3), ("fuzzy_title", 0.1), ("nearest_by_vector", 0.4), ("ungrounded", 0.2),
    ]  # fmt: skip
    told = ("named_by_title", "named_by_title_share", "repeat_training_positive")
    assert [negatives[name] for name in told] == [4, 0.4, 1]
    assert [(row["count"], row["share"]) for row in negatives["pairs"]] == [(6, 0.5), (3, 0.25), (3, 0.25)]
    assert (negatives["named"], negatives["false"], negatives["false_share"], negatives["at_random"]) == (
        4,
        1,
        0.25,
        0.1,
    )


def test_judgements_are_told_with_what_is_wrong_with_them_and_what_they_are_worth(filled):
    judged = text_facts(filled, 1)["judgements"]
    assert (judged["candidates"], judged["judged"], judged["wanted_share"]) == (18, 12, 0.5)
    assert [problem["count"] for problem in judged["problems"]] == [6, 12]
    # Items 5 to 7 are held out of every user, and both candidates with a verdict are among them.
    assert [(row["verdict"], row["judged"], row["held_out"], row["lift"]) for row in judged["worth"]] == [
        ("yes", 6, 6, 1),
        ("unsure", 0, 0, None),
        ("no", 6, 6, 1),
    ]


def test_what_judgements_are_worth_is_not_told_before_there_are_results(filled):
    filled.workspace.table("results").remove_parts("a" * 64)
    before = ShownTables(filled.workspace, PublishedTables.look(filled.workspace))
    assert text_facts(before, 1)["judgements"]["worth"] == []


def test_what_a_manifest_does_not_count_of_texts_is_no_figure(filled):
    items = text_facts(filled, 1)["stages"][0]
    assert (items["valid_share"], items["distinct_1"], items["distinct_2"]) == (0.75, None, None)  # it was a word
    assert (items["rows"], items["tokens_in"]) == (0, None)
    nothing = negative_facts({}, {})
    assert nothing["texts"] == nothing["pairs"] == []
    assert nothing["named"] is None


def test_a_failed_row_of_each_status_is_shown_with_its_error(filled):
    failed = text_facts(filled, 1)["failed"]
    assert [(row["stage"], row["status"]) for row in failed] == [
        ("item_profiles", "invalid"), ("user_profiles", "invalid"), ("semantic_negatives", "invalid"),
    ]  # fmt: skip
    assert {row["error"] for row in failed} == {"plain words"}
    assert [(row["user"] is None, row["item"] is None) for row in failed] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert failed == text_facts(filled, 1)["failed"]


def test_facts_of_the_tables(filled):
    facts = data_facts(filled)
    assert facts["source"] == [("format", "plain words"), ("hf_token", "***")]
    assert facts["filters"] == [("min_rating", "3.5"), ("split.method", "random")]
    assert facts["sizes"] == {"users": 6, "items": 8, "interactions": 48}
    assert facts["splits"] == {"train": 30, "test": 12}
    assert facts["tail"]["points"][0] == (1, 6)
    assert facts["tail"]["without"] == 3
    tuned = finetune_facts(filled)
    assert [row["step"] for row in tuned["measured"]] == [1, 3]
    copied, other, own = tuned["evaluation"]["methods"]  # the best first
    assert (copied["name"], copied["mrr_ci95"], copied["difference_ci95"]) == (
        *("item_vector", [0.45, 0.556], [-0.154, 0.012]),
    )
    assert (other["mrr"], other["mrr_ci95"], other["difference"], other["meaning"]) == (0.5, [None, None], None, "")
    assert (own["name"], own["difference"]) == ("finetuned", None)
    assert tuned["evaluation"]["verdict"].startswith(
        "The fine-tuned LLM (mrr 0.430 [0.360, 0.500]) is level with item_vector (mrr 0.510, difference -0.080 "
        "[-0.154, +0.012]), the best row that needs no LLM."
    )


def lists_of(filled, train_on):
    store = filled.workspace.table("recommendations")
    rows = [{"user": 0, "rank": rank, "item": item, "score": 0.5} for rank, item in ((1, 2), (2, 6))]
    store.write_part("b" * 64, "part-0", pa.Table.from_pylist(rows, schema=TABLES["recommendations"]))
    made = {"table": "recommendations", "stage": "recommendations", "fingerprint": "b" * 64}
    store.publish(Manifest(**made, files=store.parts("b" * 64), depends_on={"recommend.train_on": train_on}))
    return ShownTables(filled.workspace, PublishedTables.look(filled.workspace))


@pytest.mark.parametrize(("train_on", "hits"), [("train", [False, True]), ("all", [False, False])])
def test_recommended_items_are_marked_as_hits_only_where_their_model_left_them_out(filled, train_on, hits):
    tables = lists_of(filled, train_on)
    (user,) = recommendation_facts(tables, 1)
    assert [item["hit"] for item in user["items"]] == hits  # item 2 is a training item, 6 a held-out one
    assert is_checkable(tables) == any(hits)


def test_stale_stages_tell_and_cost_what_their_published_tables_did(filled):
    nothing = {"rows": {"ok": 0, "none": 0, "failed": 0}, "failed_by_reason": {}, "tokens": {"in": 0, "out": 0}}
    rows = [
        {"name": "ingest", "state": "stale", "outputs": ["raw_interactions"], "seconds": 0.0, **nothing},
        {"name": "item_profiles", "state": "partial", "outputs": ["item_profiles"], "seconds": 2.5, **nothing},
    ]
    told, begun = stage_facts(rows, filled)
    assert (told["seconds"], told["failed_by_reason"], told["begun"]) == (4.0, {"plain words": 2}, True)
    assert told["counts"] == {"interactions": 99}
    assert (begun["seconds"], begun["counts"]) == (2.5, {})
    assert cost(spent(rows, filled))["seconds"] == 6.5


def test_words():
    assert (figure(None), figure(float("nan")), figure(0.5), figure(0.5, sign=True)) == ("-", "-", "0.5000", "+0.5000")
    assert (p_value(0.00001), p_value(0.5), p_value(None)) == ("< 0.0001", "0.5000", "-")
    assert (counted(0.25, "x share"), counted(1200, "rows"), counted(None, "x")) == ("25.0%", "1,200", "-")
    assert moment("2026-01-02T03:04:05+00:00") == "<bdi>2 January 2026, 03:04 UTC</bdi>"
    assert moment("<b>") == "<bdi>&lt;b&gt;</bdi>"
    assert text(None) == ""
    for name in ("ndcg", "recall", "precision", "hit_rate", "mrr"):
        assert "7" in metric_in_words(f"{name}@7")


def test_parameters_are_told_for_all_methods_that_search_them():
    draws = {"mf-rns": [1, 2, 2, 4], "mf-dns": list(range(1, 9)), "mf-pns": [3, 3]}
    points = {
        name: [Point({"candidates": value, "sampler": name[3:]}, value / 10) for value in values]
        for name, values in draws.items()
    }
    (found,) = by_parameter(points)
    assert (found["name"], found["is_choice"], found["is_log"]) == ("candidates", False, False)
    assert [own["method"] for own in found["methods"]] == ["mf-rns", "mf-dns"]
    assert [step["label"] for step in found["methods"][0]["steps"]] == ["1", "2", "4"]


def test_the_search_is_told_in_the_order_of_the_methods(filled):
    trials = filled.read("trials", [*TABLES["trials"].names]).to_pylist()
    found = search_facts(trials, ["mf-pool", "mf-dns", "mf-pns"], "ndcg@20")
    assert (
        [own["name"] for own in found["importance"]]
        == [own["name"] for own in found["anytime"]]
        == ["mf-pool", "mf-dns"]
    )
    assert all(sum(own["shares"].values()) == pytest.approx(1) for own in found["importance"])
    assert {own["name"] for own in found["sensitivity"]} == {"alpha", "base_sampler", "candidates", "dns.top", "lr"}
    assert len(found["anytime"][0]["shown"]) <= 8


TAKES = {f"mf-guard_{word}": word for word in ("shuffled", "facts", "frozen")}
ENTRIES = [
    {
        "name": name,
        "family": family,
        "test": {"ndcg@20": 0.2},
        "validation": {"ndcg@20": figure},
        "controls": list(TAKES),
        "control_takes": TAKES,
    }
    for name, family, figure in (
        ("mf-dns", "classical", 0.4),
        ("mf-pool", "semantic", 0.2),
        ("mf-guard", "semantic", 0.3),
        ("mf-guard_shuffled", "control", 0.3),
    )
]
ANSWER = {"methods": ENTRIES, "metric": "ndcg@20"}


def redrawn(method, saved, p=0.01, **own):
    ends = {"saved": saved, "saved_low": saved - 0.01, "saved_high": saved + 0.01, "saved_p": p}
    return {"method": method, "hardness": 0.1, "false_negative_share": 0.05, "reference_share": 0.08, **ends, **own}


def control(gain, p):
    ends = {"gain": gain, "gain_low": gain - 0.01, "gain_high": gain + 0.01, "gain_p": p}
    return redrawn("mf-guard_shuffled", 0.01, controls="mf-guard", **ends)


@pytest.mark.parametrize(
    ("saved", "p", "controls", "told"),
    [
        (0.03, 0.01, [control(0.02, 0.01)], ("5.0%, 3.0 points [2.0, 4.0] fewer. With the same settings it saves more "
         "than 1 of its 2 controls (mf-guard_shuffled 2.0 points [1.0, 3.0]); not compared with mf-guard_facts.")),
        (0.03, 0.01, [control(0.02, 0.01), {**control(0.02, 0.01), "method": "mf-guard_facts"}], ("With the same "
         "settings it saves more than 2 of its 2 controls (mf-guard_shuffled 2.0 points [1.0, 3.0]; mf-guard_facts 2.0 "
         "points [1.0, 3.0]).")),
        (0.03, 0.01, [control(0.005, 0.3)], ("fewer. With the same settings it is not shown to save more than every "
         "control (mf-guard_shuffled 0.5 points [-0.5, 1.5]).")),
        (0.03, 0.01, [], "fewer. No control of mf-guard was compared, so nothing is credited to its meaning."),
        (0.005, 0.4, [control(0.02, 0.01)], ("5.0%, which can't be told from that (a difference of 0.5 points "
         "[-0.5, 1.5]).")),
        (-0.03, 0.01, [control(0.02, 0.01)], "5.0%, 3.0 points [2.0, 4.0] more."),
    ],
)  # fmt: skip
def test_the_sentence_about_samplers_says_no_more_than_the_intervals(saved, p, controls, told):
    own = [redrawn("mf-guard", saved, p), redrawn("mf-pool", 0.07), redrawn("mf-dns", -0.01)]
    found = frontier_words(own, controls, ANSWER)
    assert found.startswith(
        "At the hardness of mf-guard's negatives (10.0% rank above their positive) the fewest false negatives that DNS "
        "comes to are 8.0%; mf-guard has 5.0%"
    )
    assert found.endswith(told)


def test_without_a_compared_semantic_method_the_sentence_says_so():
    beyond = {**redrawn("mf-guard", 0.03), "saved": None}
    for own in ([], [redrawn("mf-dns", 0.03), beyond]):
        assert frontier_words(own, [], ANSWER).startswith("No semantic method has negatives that could be compared")


def test_a_run_without_the_table_or_with_an_empty_one_has_no_such_facts(filled, monkeypatch):
    found = frontier_facts(filled, ANSWER)
    assert (found["model"], found["pairs"], found["users"]) == ("mf-dns", 99, 6)
    assert [row["family"] for row in (*found["reference"], *found["own"])] == ["classical"] * 4 + ["semantic"]
    monkeypatch.setattr(ShownTables, "read", lambda _, table, columns: TABLES[table].empty_table().select(columns))
    assert frontier_facts(filled, ANSWER) is None
    monkeypatch.setattr(ShownTables, "readable", lambda _, table: table != "frontier")
    assert frontier_facts(filled, ANSWER) is None
