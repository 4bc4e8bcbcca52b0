"""Which samplers are redrawn on which model; what the stage writes is tested where the whole pipeline runs."""

import json
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from one_ray import connected
from ray.exceptions import OutOfMemoryError, RayTaskError, WorkerCrashedError

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.progress import JournalProgress
from hnlm_ray.cf import CFData, Positives, train
from hnlm_ray.cf.training.hardness import Ranked
from hnlm_ray.compare.method_rows import group_rows
from hnlm_ray.config import CFConfig, Config
from hnlm_ray.methods.known import METHODS
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.tune.control_data import read_data
from hnlm_ray.tune.frontier import measure as frontier
from hnlm_ray.tune.frontier.measure import NO_MODEL, write_frontier
from hnlm_ray.tune.frontier.rows import CANDIDATES, Redrawn, frontier_rows, sampler_words
from hnlm_ray.tune.frontier.samplers import Winner, frozen_winner, redrawn, winners
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.stage import StageRun
from hnlm_ray.workspace.tables import TABLES


def refit(method, seed, validation, search=0, **settings):
    config = json.dumps(CFConfig(**{"model": "mf", **settings}).model_dump(mode="json"))
    figures = [("ndcg@20", validation)]
    return {"method": method, "search": search, "seed": seed, "status": "ok", "config": config, "validation": figures}


def winner(name, validation=0.2, **settings):
    return Winner(f"mf-{name}", METHODS[name], CFConfig(**{"model": "mf", **settings}), validation)


def named(*names):
    return {name: METHODS[name] for name in names}


def test_a_methods_winner_is_that_of_the_search_best_on_validation():
    rows = [
        refit("mf-dns", 1, 0.10, search=0, candidates=2),
        refit("mf-dns", 2, 0.30, search=0, candidates=2),
        refit("mf-dns", 101, 0.24, search=1, candidates=8),
        refit("mf-dns", 102, 0.22, search=1, candidates=8),
        {**refit("mf-dns", 3, 0.9, search=0, candidates=32), "status": "diverged"},
        {**refit("mf-rns", 1, 0.9), "status": "failed"},
    ]
    (found,) = winners(group_rows([], rows), named("dns", "rns"), "ndcg@20")
    assert (found.name, found.config.candidates, found.validation) == ("mf-dns", 8, pytest.approx(0.23))


def test_all_draw_on_the_model_of_the_best_classical_method_that_ranks_pair_by_pair():
    fused = winner("dns", 0.5, sampler="dns", fusion="validation")
    softmax, solved = winner("softmax", 0.6, loss="softmax"), winner("ease", 0.7, model="ease")
    plain = [winner("rns", 0.2), winner("pns", 0.25, sampler="pns"), winner("guard", 0.9, sampler="dns", guard=1.0)]
    assert frozen_winner([*plain, fused, softmax, solved]).name == "mf-pns"
    assert frozen_winner([plain[2], fused, softmax, solved]) is None


def test_each_method_a_grid_of_a_guard_and_controls_with_its_settings_are_redrawn():
    guard = winner("guard", sampler="dns", guard=0.5, candidates=16, guard_features="text", graph=0.0)
    asked = redrawn([winner("dns", sampler="dns"), guard], named("dns", "guard", "guard_no_text", "guard_shuffled"))
    by_role = {role: [one for one in asked if one.role == role] for role in ("own", "grid", "control")}
    assert [one.method for one in by_role["own"]] == ["mf-dns", "mf-guard"]
    grid = {(one.config.candidates, one.config.guard) for one in by_role["grid"]}
    assert grid == {(m, strength) for m in (4, 8, 16, 32) for strength in (0.3, 0.5, 1.0)}
    assert {one.config.guard_features for one in by_role["grid"]} == {"text"}
    without, shuffled = by_role["control"]
    assert (without.method, without.controls, without.reads) == ("mf-guard_no_text", "mf-guard", "nothing")
    assert (without.config.candidates, without.config.guard, without.config.guard_features) == (16, 0.5, "cf")
    assert (shuffled.reads, shuffled.config) == ("shuffled_text", guard.config)


def test_two_methods_with_one_guard_have_one_grid():
    guard, tiers = (winner(name, sampler="dns", guard=0.5) for name in ("guard", "tiers"))
    asked = redrawn([guard, tiers], named("guard", "tiers"))
    assert {one.method for one in asked if one.role == "grid"} == {"mf-guard"}
    assert {one.method for one in asked if one.role == "own"} == {"mf-guard", "mf-tiers"}


def test_the_facts_in_the_place_of_the_texts_have_controls_too():
    names = ("guard", "guard_no_text", "guard_shuffled", "guard_facts")
    facts = winner("guard_facts", sampler="dns", guard=0.5, candidates=4)
    asked = redrawn([winner("guard", sampler="dns", guard=0.5, candidates=16), facts], named(*names))
    found = {(one.controls, one.method, one.config.candidates) for one in asked if one.role == "control"}
    own = {("mf-guard", f"mf-{name}", 16) for name in names[1:]}
    assert found == own | {("mf-guard_facts", f"mf-{name}", 4) for name in names[1:3]}


def test_one_control_of_two_methods_has_the_settings_of_each():
    llm = winner("guard_llm", sampler="dns", guard=0.5, candidates=4)
    own = Winner("mf-mine", replace(llm.method, name="mine"), llm.config.model_copy(update={"candidates": 16}), 0.2)
    asked = redrawn([llm, own], named("guard", "guard_llm") | {"mine": own.method})
    found = [(one.method, one.controls, one.config.candidates) for one in asked if one.role == "control"]
    assert found == [("mf-guard", "mf-guard_llm", 4), ("mf-guard", "mf-mine", 16)]


def test_a_method_whose_negatives_know_no_text_says_so_and_has_no_control():
    asked = redrawn([winner("kar"), winner("fusion")], named("kar", "kar_shuffled", "fusion", "fusion_shuffled"))
    assert {one.role for one in asked} == {"own"}
    assert all("text is in its model alone" in one.reason for one in asked)
    (own, *_) = redrawn([winner("guard", sampler="dns", guard=0.0)], named("guard"))
    assert own.reason is None  # its winner holds nothing back, which is what it draws


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sampler": "rns"}, "uniform"),
        ({"sampler": "pns", "popularity_power": 0.5}, "popularity to the 0.5"),
        ({"sampler": "dns", "candidates": 16}, "M 16"),
        ({"sampler": "dns", "guard": 0.5, "guard_features": "cf"}, "M 8, lambda 0.5 (cf)"),
        ({"sampler": "dns", "pool_share": 0.25}, "M 8, pool share 0.25"),
        ({"sampler": "dns_mn", "candidates": 64, "dns": {"top": 4}}, "4 of M 64"),
        ({"sampler": "pool", "alpha": 0.1234, "base_sampler": "rns"}, "alpha 0.123 with rns"),
        ({"sampler": "vectors", "alpha": 1e-4, "base_sampler": "dns"}, "alpha 0.0001 with dns, M 8"),
        ({"sampler": "srns"}, "of its memory"),
        ({"sampler": "in_batch"}, "of its batch"),
    ],
)
def test_settings_in_words(settings, words):
    assert sampler_words(CFConfig(**settings)) == words


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    liked = np.argsort(rng.gumbel(size=(60, 50)) + 2 * np.eye(60, 50), axis=1)[:, ::-1][:, :14]
    users = np.repeat(np.arange(60), 7)
    return CFData(60, 50, *(Positives.from_pairs(users, part.ravel(), 60) for part in (liked[:, :7], liked[:, 7:])))


@pytest.fixture(scope="module")
def model(data):
    return Ranked.of(train(data, CFConfig(model="mf", dim=8, epochs=3, sampler="dns", batch_size=64), 1).trainer)


def test_rows_are_of_the_same_pairs_and_the_same_each_time(data, model):
    asked = [Redrawn("mf-dns", "own", CFConfig(sampler="dns", candidates=4), "nothing")]
    asked.append(Redrawn("mf-pool", "own", CFConfig(sampler="pool"), "nothing"))
    asked.append(Redrawn("mf-kar", "own", CFConfig(), "nothing", reason="why not"))
    held_out = replace(data, test=data.validation, validation=None)
    rows, again = (
        frontier_rows(replace(model, data=held_out), asked, lambda reads: read_data(reads, held_out, 0), 5, most=300)
        for _ in range(2)
    )
    assert rows == again
    assert [row["setting"] for row in rows[: len(CANDIDATES)]] == [f"M {m}" for m in CANDIDATES]
    assert {(row["pairs"], row["users"]) for row in rows} == {(300, 60)}
    reference, (dns, pool, kar) = rows[: len(CANDIDATES)], rows[len(CANDIDATES) :]
    hardness = [row["hardness"] for row in reference]
    assert hardness == sorted(hardness)
    assert (dns["hardness"], dns["false_negative_share"]) == (hardness[2], reference[2]["false_negative_share"])
    assert dns["saved"] == pytest.approx(dns["reference_share"] - dns["false_negative_share"])
    assert dns["hardness_low"] < dns["hardness"] < dns["hardness_high"]
    assert "needs a pool" in pool["reason"]
    assert kar["reason"] == "why not"
    assert pool["hardness"] is kar["hardness"] is kar["saved"] is None


def test_too_few_users_to_vary_are_no_frontier(model):
    one = CFData(1, 3, Positives.from_pairs([0], [0], 1), test=Positives.from_pairs([0], [1], 1))
    assert frontier_rows(replace(model, data=one), [], lambda reads: read_data(reads, one, 0), 5) == []


class Inline:
    """Ray as far as the table needs it: what is called runs here."""

    def __init__(self, error=None):
        self.error = error

    def remote(self, function):
        call = SimpleNamespace(remote=lambda *arguments: lambda: function(*arguments))
        return SimpleNamespace(options=lambda **_: call)

    def get(self, call):
        if self.error is not None:
            raise self.error
        return call()


class Seen:
    """Progress that notes what it is told."""

    def __init__(self):
        self.calls = []

    def start(self, stage, total, done=0, unit="rows"):
        self.calls.append((stage, total, unit))

    def advance(self, rows=1, tokens=0, statuses=None):
        self.calls.append("advance")

    def finish(self):
        self.calls.append("finish")


@pytest.fixture
def stage_run(tmp_path):
    tree = {"name": "made", "workspace": str(tmp_path), "source": {"format": "movielens_100k"}, "ray": {"cpus": 4}}
    config = Config.model_validate({**tree, "tune": {"models": ["mf"], "methods": ["dns", "rns"]}})
    workspace = Workspace.open(str(tmp_path))
    workspace.create()
    return StageRun(config, workspace, "f" * 64, JournalProgress(Seen(), lambda _total, _done: None))


def written(run, data):
    row = {**refit("mf-dns", 1, 0.2, sampler="dns", dim=8, epochs=1), "per_user": [0.2], "found": None}
    results = pa.Table.from_pylist([row], schema=TABLES["results"])
    told = frontier.write_frontier(run, data, results)
    store = run.workspace.table("frontier")
    return told, store.read_parts(store.parts(run.fingerprint))


def test_the_table_and_its_progress(stage_run, data, monkeypatch):
    monkeypatch.setattr(frontier, "ray", Inline())
    told, table = written(stage_run, data)
    assert told == {"frontier_model": "mf-dns"}
    assert table["role"].to_pylist() == ["reference"] * len(CANDIDATES) + ["own"]
    assert stage_run.progress._shown.calls == [("frontier", 1, "models"), "advance", "finish"]


@pytest.mark.parametrize(
    "lost",
    [
        (WorkerCrashedError(), "The worker died unexpectedly while executing this task"),
        (OutOfMemoryError("the node ran low\non memory"), "the node ran low"),
        (RayTaskError("t", "Traceback: ...", KeyError("s3://key:hunter2@bucket")), "'s3://***@bucket'"),
    ],
)
def test_a_task_that_is_lost_keeps_no_result_from_being_published(stage_run, data, monkeypatch, caplog, lost):
    error, reason = lost
    raised = error.as_instanceof_cause() if isinstance(error, RayTaskError) else error
    monkeypatch.setattr(frontier, "ray", Inline(raised))
    told, table = written(stage_run, data)
    assert told["frontier_lacking"].startswith(f"mf-dns trained once more: {reason}")
    assert "\n" not in told["frontier_lacking"]
    assert told["frontier_lacking"] in caplog.text
    assert table.num_rows == 0
    assert stage_run.progress._shown.calls[-1] == "finish"


@pytest.mark.parametrize(
    "failure",
    [
        ("train_frozen", RuntimeError("CUDA out of memory\nTry less")),
        ("redrawn", InputError("no text")),
        ("frontier_rows", MemoryError()),
    ],
)
def test_nor_does_an_error_within_it(stage_run, data, monkeypatch, caplog, failure):
    broken, error = failure

    def fail(*_arguments):
        raise error

    monkeypatch.setattr(frontier, "ray", Inline())
    monkeypatch.setattr(frontier, broken, fail)
    told, table = written(stage_run, data)
    reason = (str(error).splitlines() or ["MemoryError"])[0]
    assert told == {"frontier_lacking": f"mf-dns trained once more: {reason}"}
    assert reason in caplog.text
    assert table.num_rows == 0


@pytest.mark.real
def test_nor_does_a_process_that_dies(stage_run, data, monkeypatch):
    def dies(*_arguments):
        os._exit(1)

    monkeypatch.setattr(frontier, "_measure", dies)
    with connected(stage_run.config, [find_stage("results")]):
        told, table = written(stage_run, data)
    assert "died" in told["frontier_lacking"]
    assert table.num_rows == 0


def test_the_model_has_the_runs_seed_whichever_search_found_its_settings(stage_run, data, monkeypatch):
    def seen(_data, _config, seed, **_others):
        raise InputError(f"seed {seed}")

    monkeypatch.setattr(frontier, "train", seen)
    later = winners(group_rows([], [refit("mf-dns", 101, 0.3, search=1, sampler="dns")]), named("dns"), "ndcg@20")
    with pytest.raises(InputError, match=f"seed {stage_run.config.seed}"):
        frontier.train_frozen(later[0], data, stage_run.config)


def results_of(*rows):
    blank = {"epochs": 3, "best_epoch": 3, "seconds": 1.0, "started_epoch": 0, "cpu_seconds": 1.0}
    return pa.Table.from_pylist([{**blank, **row} for row in rows], schema=TABLES["results"])


def config_of(*methods):
    tune = {"methods": list(methods), "models": ["mf"]}
    return Config.model_validate(
        {"name": "x", "workspace": "/nowhere", "source": {"format": "movielens_100k"}, "tune": tune}
    )


def test_without_a_classical_method_of_pairs_the_table_is_empty_and_says_why(data, tmp_path):
    run = StageRun(config_of("ease", "guard"), Workspace.open(str(tmp_path)), "a" * 64, progress=None)
    rows = refit("ease", 1, 0.3, model="ease"), refit("mf-guard", 1, 0.3, sampler="dns", guard=1.0)
    assert write_frontier(run, data, results_of(*rows)) == {"frontier_lacking": NO_MODEL}
    store = run.workspace.table("frontier")
    assert store.read_parts(store.parts("a" * 64)).num_rows == 0
