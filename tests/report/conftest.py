"""A small workspace whose every text is the test's own, and the page that becomes of it."""

import itertools
import json

import numpy as np
import pyarrow as pa
import pytest

from hnlm_ray.compare.leaderboard import leaderboard
from hnlm_ray.compare.user_groups import Groups
from hnlm_ray.config import Config
from hnlm_ray.report.build import gather
from hnlm_ray.report.page import render
from hnlm_ray.workspace import Manifest, PublishedTables, Rows, Tokens, Workspace
from hnlm_ray.workspace.shown_tables import ShownTables
from hnlm_ray.workspace.tables import TABLES

CONTROLS = {"mf-pool_alpha0": 0.20, "mf-pool_random": 0.19, "mf-pool_shuffled": 0.18}
METHODS = {"mf-rns": 0.20, "mf-dns": 0.21, "mf-pool": 0.25, **CONTROLS}
USERS, ITEMS, EPOCHS, TRIALS = 6, 8, 4, 21
TEXT_COUNTS = {
    "valid_share": 0.7, "duplicate_share": 0.125, "distinct_1": 0.5, "distinct_2": 0.75, "compression_ratio": 2.5,
    "words_mean": 3.5, "words_median": 3.0, "sampled_texts": 7, "prompts_cut": 2, "prompts_defused": 1,
}  # fmt: skip
POOL_COUNTS = {
    "texts": 10, "named_by_title": 4, "exact_title": 3, "fuzzy_title": 1, "nearest_by_vector": 4, "ungrounded": 2,
    "repeat_training_positive": 1, "out_of_catalogue": 5, "named_by_title_share": 0.4, "duplicate": 1,
    "own_pairs": 6, "borrowed_pairs": 3, "fallback_pairs": 3,
}  # fmt: skip
JUDGED_COUNTS = {
    "candidates": 18, "judged": 12, "judged_share": 0.6667, "wanted": 6, "not_wanted": 6, "unsure": 0,
    "wanted_share": 0.5, "entries_missing": 0, "entries_malformed": 6, "entries_repeated": 0, "entries_unknown": 12,
}  # fmt: skip
COPIED = {
    "mrr": 0.51, "mrr_low": 0.45, "mrr_high": 0.556, "difference": -0.08, "difference_low": -0.154,
    "difference_high": 0.012,
}  # fmt: skip
GROUPS = Groups(np.arange(2 * USERS) % 3, np.arange(2 * USERS), np.arange(2 * USERS) % 4)
LATEST = "2026-01-02T00:00:00+00:00"
SPLITS = ("train",) * 5 + ("validation", "test", "test")


def publish(workspace, table, rows, /, **manifest):
    store = workspace.table(table)
    store.write_part("a" * 64, "part-0", pa.Table.from_pylist(rows, schema=TABLES[table]))
    named = {"table": table, "stage": table, "fingerprint": "a" * 64, "files": store.parts("a" * 64)}
    store.publish(Manifest(**{"created": "2026-01-01T00:00:00+00:00", **named, **manifest}))


def llm(word, status="ok", **texts):
    row = {"status": status, "attempts": 1, "tokens_in": 3, "tokens_out": 2, "prompt_cut": 0, "prompt_defused": False}
    told = texts if status == "ok" else {"error": word()}
    return {**row, "prompt_version": word(), "model": word(), **{name: word() for name in told}}


def trained(name, **own):
    curve = [
        {"epoch": e + 1, "loss": 1 / (e + 1), "validation": METHODS[name] * e if e else None, "cpu_seconds": e / 4}
        for e in range(EPOCHS)
    ]
    return {
        "method": name, "search": 0, "config": "{}", "status": "ok", "epochs": EPOCHS, "best_epoch": EPOCHS,
        "seconds": 0.5, "cpu_seconds": 1.0, "started_epoch": 0, "error": None,
        "validation": {"ndcg@20": METHODS[name]}, "curve": curve, **own,
    }  # fmt: skip


def settings(trial):
    """A first trial and others that differ in four parameters, with words, numbers and nested names."""
    if not trial:
        return "{}"
    drawn = {"lr": 1e-3 * 1.2**trial, "alpha": trial / 100, "candidates": 2 ** (trial % 3)}
    return json.dumps({**drawn, "base_sampler": ("rns", "dns")[trial % 2], "dns": {"top": 1 + trial}})


def refit_curve(mean):
    """Negatives are measured after the first epoch and the last."""
    measured = {1: mean / 8, EPOCHS: mean / 4}
    return [
        {"epoch": e, "loss": 1 / e, "validation": mean, "hardness": mean if e in measured else None,
         "false_negative_share": measured.get(e)}
        for e in range(1, EPOCHS + 1)
    ]  # fmt: skip


def comparison_rows(word=lambda: "plain words"):
    """What is searched, what was refitted, and a method of which no trial came to a figure."""
    trials = [
        trained(name, trial=n, config=settings(n), validation={"ndcg@20": METHODS[name] - n / 1000})
        for name in METHODS
        for n in range(TRIALS)
    ]
    lost = {"method": "mf-pns", "status": "failed", "validation": None, "curve": None, "config": "{}"}
    trials += [{**trials[0], **lost, "trial": n, "error": word()} for n in (0, 1)]
    trials.append({**trials[0], **lost, "trial": 2, "status": "lost", "error": word()})
    groups = {"history_short": 0.1, "history_short_users": 4, "items_rare": 0.3, "items_rare_rows": 7}
    results = [
        trained(
            name, seed=seed, test={"ndcg@20": mean}, per_user=[mean + u / 100 + seed / 1000 for u in range(2 * USERS)],
            found=[True, False] * USERS,
            slices=groups, hardness=mean, false_negative_share=mean / 4, curve=refit_curve(mean),
        )
        for name, mean in METHODS.items()
        for seed in (1, 2)
    ]  # fmt: skip
    return trials, results


def interval(name, value, *more):
    ends = {"low": value - 0.01, "high": value + 0.01, "error": 0.005, "p": 0.0001}
    return {name: value, **{f"{name}_{end}": ends[end] for end in ("low", "high", *more)}}


def frontier_row(method, role, setting, at, saved=None, **own):
    hardness, share = at
    told = {} if hardness is None else {**interval("hardness", hardness), **interval("false_negative_share", share)}
    gain = own.pop("gain", None)
    for name, value in (("saved", saved), ("gain", gain)):
        told |= {} if value is None else interval(name, value, "error", "p")
    told |= {} if saved is None else {"reference_share": share + saved}
    return {"method": method, "role": role, "setting": setting, "pairs": 99, "users": USERS, **told, **own}


def frontier_rows(word=lambda: "plain words"):
    """The curve, a method that saves, a control with its settings, and one that could not be redrawn."""
    curve = [(1, 0.03, 0.06), (4, 0.12, 0.13), (32, 0.42, 0.32)]
    return [
        *(frontier_row("DNS", "reference", f"M {m}", at) for m, *at in curve),
        frontier_row("mf-dns", "own", "M 4", (0.12, 0.13), saved=-0.012),
        frontier_row("mf-pool", "own", "alpha 0.5", (0.06, 0.04), saved=0.041),
        frontier_row("mf-pool", "grid", "alpha 0.9", (0.05, 0.03), saved=0.02),
        frontier_row("mf-pool_random", "control", "alpha 0.5", (0.05, 0.07), 0.005, gain=0.036, controls="mf-pool"),
        frontier_row("mf-pool_shuffled", "own", "alpha 0.5", (None, None), reason=word()),
    ]  # fmt: skip


def fill(folder, word):
    """Publish every table that the report reads; ``word`` gives the next text."""
    workspace = Workspace.open(str(folder))
    pairs = list(itertools.product(range(USERS), range(ITEMS)))
    rows = [{"user": u, "item": i, "rating": 4.0, "timestamp": i, "split": SPLITS[i]} for u, i in pairs]
    counts = {"rows": 99, "below_rating": 51, "train": 30, "test": 12}
    made = {"prepare.min_rating": 3.5, "prepare.since": None, "prepare.split.method": "random", "seed": 1}
    publish(workspace, "interactions", rows, counts=counts, depends_on=made)
    reasons = {"failed_by_reason": {word(): 2}, "counts": {"interactions": 99}, "seconds": 4.0}
    reasons |= {"depends_on": {"source.format": word(), "source.hf_token": word(), "source.names": [], "files": "ab"}}
    publish(workspace, "raw_interactions", [{"user_id": word(), "item_id": word()}], **reasons)
    publish(workspace, "users", [{"user": user, "user_id": word()} for user in range(USERS)])
    items = [{"item": item, "item_id": word(), "title": word() if item % 2 else None} for item in range(ITEMS)]
    publish(workspace, "items", items)
    for kind, size in (("item", ITEMS), ("user", USERS)):
        both = ("ok", "ok", "invalid")
        profiles = [{kind: n, **llm(word, both[n % 3], summary=1, reasoning=1)} for n in range(size)]
        counts = {word(): word(), "x": 0.5, "valid_share": 0.75, "distinct_1": word()}
        publish(workspace, f"{kind}_profiles", profiles, failed_by_reason={word(): 1}, counts=counts)
    train = [(user, item) for user, item in pairs if SPLITS[item] == "train"][:9]
    named = [
        {"user": u, "item": i, **llm(word, "invalid" if i == 4 else "ok", negative=1, reasoning=1)} for u, i in train
    ]
    told = {"rows": Rows(ok=7, none=1, failed=2), "failed_by_reason": {"invalid": 2}, "counts": TEXT_COUNTS}
    publish(workspace, "semantic_negatives", named, **told, tokens=Tokens(tokens_in=35, tokens_out=20))
    problems = {"missing": 0, "malformed": 1, "repeated": 0, "unknown": 2}
    judged = [
        {"user": u, "candidates": [5, 6, 4], "verdicts": [1.0, -1.0, None], "reasons": [word(), word(), None],
         **problems, **llm(word)}
        for u in range(USERS)
    ]  # fmt: skip
    publish(workspace, "judgements", judged, counts=JUDGED_COUNTS)
    pool = [
        {"user": u, "item": i, "origin": "own", "negatives": [7, 6], "weights": [0.9, 0.1], "sources": [word(), word()],
         "verdict": word() if i % 2 else "fuzzy"}
        for u, i in train
    ]  # fmt: skip
    publish(workspace, "negative_pool", pool, counts=POOL_COUNTS)
    steps = [
        {
            "step": n,
            "epoch": 0.1,
            "loss": 1.0,
            "held_out_loss": 0.9 if n % 2 else None,
            "lr": 1e-3,
            "tokens": 5,
            "seconds": 1,
        }
        for n in range(4)
    ]
    publish(workspace, "finetune_log", steps)
    evaluated = [
        {"method": word(), "pairs": 5, "metrics": {"mrr": 0.5, "recall@10": 0.25}},
        {"method": "finetuned", "pairs": 5, "metrics": {"mrr": 0.43, "mrr_low": 0.36, "mrr_high": 0.5}},
        {"method": "item_vector", "pairs": 5, "metrics": COPIED},
    ]
    publish(workspace, "finetune_eval", evaluated, counts={"pairs": 5, "users": 3})
    trials, results = comparison_rows(word)
    publish(workspace, "trials", trials)
    at_random = {"random_false_negative_share": 0.05, "share_at_random": 0.9}
    named = {"text_named": 4, "text_false_negatives": 1, "text_false_negative_share": 0.25, "text_share_at_random": 0.1}
    frozen = {"frontier_model": "mf-dns"}
    publish(workspace, "results", results, counts=at_random | named | frozen, versions={word(): word()}, created=LATEST)
    publish(workspace, "frontier", frontier_rows(word))
    lists = [{"user": user, "rank": rank, "item": rank, "score": 0.5} for user in range(USERS) for rank in (1, 2, 3)]
    publish(workspace, "recommendations", lists, depends_on={"recommend.train_on": "train"})
    return workspace


def stage_rows(word):
    none = Rows().model_dump()
    row = {"state": "stale", "reason": word(), "rows": none, "failed_by_reason": {word(): 3}, "seconds": 2.0}
    return [
        {**row, "name": name, "tokens": {"in": tokens, "out": tokens // 2}, "outputs": [table]}
        for name, table, tokens in (("prepare", "interactions", 0), ("item_profiles", "item_profiles", 1000))
    ]


def config_with(word):
    source = {"format": "movielens_100k"}
    extra = {"llm": {"engine": "scripted", "engine_kwargs": {word(): word(), "api_key": "hunter2"}}}
    return Config.model_validate({"name": "films", "workspace": "/nowhere", "source": source, **extra})


def page_of(folder, word, change=lambda answer: None):
    """Return the whole page of a workspace full of the test's texts; ``change`` is made to the comparison."""
    workspace = fill(folder, word)
    tables = ShownTables(workspace, PublishedTables.look(workspace))
    board = leaderboard(*comparison_rows(word), {"users": USERS, "items": ITEMS, "interactions": 48}, groups=GROUPS)
    answer = {**board, "fresh": False, "reason": word()}
    change(answer)
    told = {"answer": answer, "lacking": None, "differs": word()}
    facts = gather(config_with(word), tables, stage_rows(word), options=word(), **told)
    return render(facts)


@pytest.fixture
def filled(tmp_path):
    workspace = fill(tmp_path / "ws", itertools.cycle(["plain words"]).__next__)
    return ShownTables(workspace, PublishedTables.look(workspace))


@pytest.fixture
def text_counts():
    return TEXT_COUNTS


@pytest.fixture(scope="session")
def make_page():
    return page_of


@pytest.fixture(scope="session")
def results_rows():
    return comparison_rows()[1]


@pytest.fixture
def make_config():
    return config_with(itertools.cycle(["words"]).__next__)
