import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, NegativePool, PairVectors, Positives
from hnlm_ray.config import CFConfig, Config, TuneConfig
from hnlm_ray.methods.known import METHODS, RunMethods
from hnlm_ray.tune.control_data import read_data
from hnlm_ray.tune.job import Ending, Job
from hnlm_ray.tune.run.training_row import Attendance, training_row
from hnlm_ray.tune.search.job_queue import SearchedJobs
from hnlm_ray.tune.stage import refit_jobs, search_counts, searched_methods
from hnlm_ray.workspace.tables import TABLES

TREE = {"name": "x", "workspace": "/nowhere", "source": {"format": "movielens_100k"}, "cf": {"dim": 4, "epochs": 2}}


def trial_jobs(config, data):
    """All trials in order, each ended with a figure as it comes."""
    queue, jobs = SearchedJobs(searched_methods(config, data), cpu_seconds=None, begun={}), []
    while (job := queue.next()) is not None:
        queue.end(job, Ending("ok", 0.1 + len(jobs) / 1000, 1.0))
        jobs.append(job)
    return jobs


def config(**tune):
    return Config.model_validate(TREE | {"tune": tune})


@pytest.fixture(scope="module")
def data():
    draw = np.random.default_rng(3)
    rows = np.array([(user, item) for user in range(20) for item in draw.choice(30, 9, replace=False)])
    splits = [Positives.from_pairs(*rows[np.arange(len(rows)) % 9 % 3 == part].T, 20) for part in range(3)]
    train = splits[0]
    users, items = train.pairs()
    negatives = [next(j for j in range(30) if j not in set(rows[rows[:, 0] == user][:, 1])) for user in users]
    pool = NegativePool.from_rows(train, users, items, negatives, np.ones(len(users)), n_items=30)
    vectors = np.eye(6, dtype=np.float16)[np.arange(len(users) // 2) % 6]
    covered = np.arange(len(users) // 2)
    anchors = draw.normal(size=(30, 6)).astype(np.float32)
    own = PairVectors.from_rows(train, users[covered], items[covered], covered, vectors, n_items=30, anchors=anchors)
    own = replace(own, positives=items[covered], mined=np.array(negatives, np.int32)[covered])
    text = draw.normal(size=(30, 5)).astype(np.float32)
    return CFData(20, 30, train, splits[1], splits[2], pool, own, text, facts_text=text[::-1].copy())


def test_each_method_gets_the_same_number_of_trials_and_none_reads_test(data):
    jobs = trial_jobs(config(trials=3, models=["mf", "lightgcn"]), data)
    names = [job.key["method"] for job in jobs]
    alone = {"popularity", "mf-pool_alpha0", "lightgcn-pool_alpha0"}  # they search nothing
    assert set(names) == set(RunMethods.of(config(models=["mf", "lightgcn"]).tune).compared)
    assert all(names.count(name) == (1 if name in alone else 3) for name in names)
    assert not any(job.reads_test for job in jobs)
    assert len({job.seed for job in jobs}) == 1
    assert len({job.part for job in jobs}) == len(jobs)


def test_an_empty_pool_is_told_with_its_remedy(data):
    without = replace(data, pool=None)
    with pytest.raises(InputError, match=r"the negative pool is empty.*pairs_per_user"):
        trial_jobs(config(), without)
    assert trial_jobs(config(methods=["rns", "dns"], trials=1), without)


def test_missing_vectors_are_told_with_their_remedy(data):
    without = replace(data, vectors=None)
    with pytest.raises(InputError, match=r"no training pair has a vector.*embeddings\.pairs_per_user"):
        trial_jobs(config(), without)
    assert trial_jobs(config(methods=["rns", "pool", "guard"], trials=1), without)


def trial(method, number, value, status="ok", search=0):
    settings = CFConfig(model="mf", sampler="rns", dim=4 + number).model_dump(mode="json")
    return {
        "method": method,
        "search": search,
        "trial": number,
        "status": status,
        "config": json.dumps(settings),
        "validation": [("ndcg@20", value)] if status == "ok" else None,
    }


def test_the_best_trial_on_validation_is_refitted_and_the_earlier_wins_a_tie():
    rows = [trial("mf-rns", 0, 0.2), trial("mf-rns", 1, 0.3), trial("mf-rns", 2, 0.3), trial("mf-dns", 0, 0, "failed")]
    jobs = refit_jobs(config(seeds=3, models=["mf"]), rows)
    assert {(job.key["method"], job.config.dim) for job in jobs} == {("mf-rns", 5)}
    assert len({job.seed for job in jobs}) == 3
    assert all(job.reads_test for job in jobs)
    assert Config.model_validate(TREE).seed not in {job.seed for job in jobs}


def test_each_search_s_winner_is_refitted_with_seeds_of_its_own():
    rows = [trial("mf-rns", 0, 0.2), trial("mf-rns", 1, 0.3), trial("mf-rns", 0, 0.2, search=1)]
    rows += [trial("mf-rns", 1, 0.1, search=1), trial("mf-dns", 2, 0.1, search=1)]
    jobs = refit_jobs(config(seeds=2, searches=2, methods=["rns", "dns"], models=["mf"]), rows)
    found = [(job.name, job.search, job.seed, job.config.dim) for job in jobs]
    assert found == [
        *(("mf-dns", 1, 45, 6), ("mf-dns", 1, 46, 6)),
        *(("mf-rns", 0, 43, 5), ("mf-rns", 0, 44, 5), ("mf-rns", 1, 45, 4), ("mf-rns", 1, 46, 4)),
    ]


def test_searches_draw_apart_and_the_first_is_that_of_one_search(data):
    one, two = (trial_jobs(config(methods=["rns", "dns"], trials=3, searches=k), data) for k in (1, 2))
    assert two[:6] == one
    assert {job.seed for job in two[:6]} != {job.seed for job in two[6:]}
    first, second = ({job.config.lr for job in part if job.key["trial"]} for part in (two[:6], two[6:]))
    assert not first & second


def test_a_mixed_method_takes_the_settings_of_the_best_classical_trial_and_searches_what_it_adds(data):
    jobs = trial_jobs(
        config(methods=["rns", "dns", "softmax", "hnlmrec", "hnlmrec_item"], trials=4, models=["mf"]), data
    )
    best = [job for job in jobs if job.name in {"mf-rns", "mf-dns"}][-1].config
    mixed = [job.config for job in jobs if job.name == "mf-hnlmrec"]
    assert mixed == [job.config for job in jobs if job.name == "mf-hnlmrec_item"]
    assert len({config.alpha for config in mixed}) == 4
    for config_ in mixed:
        assert config_.base_sampler == best.sampler
        assert (config_.lr, config_.reg, config_.candidates) == (best.lr, best.reg, best.candidates)
    assert mixed[0].alpha == 0.01


def row(data, reads_test, method="rns", tune=None, **cf):
    settings = CFConfig.model_validate({"dim": 4, "epochs": 2, "model": "mf", **cf})
    job = Job({"method": "mf-rns", "search": 0, "seed": 5}, settings, METHODS[method].reads, 5, reads_test)
    return training_row(job, lambda reads: read_data(reads, data, 1), tune or TuneConfig())


def test_a_trial_has_validation_figures_only_and_a_refit_has_test_values_a_user(data):
    searched, refitted = row(data, reads_test=False), row(data, reads_test=True)
    assert searched["status"] == refitted["status"] == "ok"
    assert searched["test"] is searched["per_user"] is None
    assert set(refitted["test"]) == set(refitted["validation"]) == set(searched["validation"])
    assert np.mean(refitted["per_user"]) == pytest.approx(refitted["test"]["ndcg@20"], abs=1e-6)
    assert searched["validation"] == refitted["validation"]


def test_a_row_has_its_learning_curve(data):
    figures = row(data, reads_test=False, epochs=5, eval_every=2)
    assert [point["epoch"] for point in figures["curve"]] == [1, 2, 3, 4, 5]
    assert all(point["loss"] > 0 for point in figures["curve"])
    measured = {point["epoch"]: point["validation"] for point in figures["curve"]}
    assert [epoch for epoch, value in measured.items() if value is not None] == [2, 4, 5]
    assert measured[figures["best_epoch"]] == figures["validation"]["ndcg@20"]


def test_the_curve_of_a_refit_tells_every_few_epochs_how_many_negatives_are_false(data):
    searched, refitted = (row(data, reads_test, "dns", sampler="dns", epochs=11) for reads_test in (False, True))
    told = {point["epoch"]: point for point in refitted["curve"]}
    assert [epoch for epoch, point in told.items() if point["false_negative_share"] is not None] == [1, 5, 10]
    for epoch in (1, 5, 10):
        assert 0 < told[epoch]["false_negative_share"] < 1
        assert 0 < told[epoch]["hardness"] < 1
    assert {point["false_negative_share"] for point in searched["curve"]} == {None}
    for name in ("loss", "validation"):
        assert [point[name] for point in searched["curve"]] == [point[name] for point in refitted["curve"]]


def test_a_refit_is_marked_before_its_first_epoch_for_its_curve_reads_test(data):
    for reads_test in (False, True):
        seen = []
        job = Job(
            {"method": "mf-rns", "search": 0, "seed": 5},
            CFConfig(model="mf", dim=4, epochs=2),
            "nothing",
            5,
            reads_test,
        )
        follows = Attendance(
            on_point=lambda point, _row, seen=seen: seen.append(point.epoch),
            before_test=lambda _job, seen=seen: seen.append("test"),
        )
        training_row(job, lambda _: data, TuneConfig(), follows)
        assert seen == (["test", 1, 2] if reads_test else [1, 2])


def test_only_a_refit_says_whom_it_serves_and_how_hard_its_negatives_are(data):
    searched, refitted = row(data, reads_test=False), row(data, reads_test=True)
    assert searched["slices"] is searched["hardness"] is searched["false_negative_share"] is None
    users = sum(count for name, count in refitted["slices"].items() if name.endswith("_users"))
    rows = sum(count for name, count in refitted["slices"].items() if name.endswith("_rows"))
    assert (users, rows) == (len(data.test.active_users()), len(data.test))
    assert 0 < refitted["hardness"] < 1
    assert 0 < refitted["false_negative_share"] < 1
    stored = pa.Table.from_pylist([refitted], schema=TABLES["results"]).to_pylist()[0]
    assert dict(stored["slices"]) == refitted["slices"]
    assert dict(stored["catalogue"])["popularity@20"] > 0
    assert searched["catalogue"] is None
    assert stored["curve"] == [{name: point[name] for name in stored["curve"][0]} for point in refitted["curve"]]


@pytest.mark.parametrize("method", ["hnlmrec", "hnlmrec_frozen", "guard"])
def test_a_row_says_what_was_trained(data, method):
    changes = {"sampler": METHODS[method].sampler, **METHODS[method].fixed}
    figures = row(data, reads_test=False, method=method, **changes)
    assert figures["status"] == "ok", figures["error"]
    assert figures["skipped_pairs"] == 0
    assert figures["vector_coverage"] == (None if method == "guard" else 0.5)
    expected = {"hnlmrec": lambda shift: shift > 0, "hnlmrec_frozen": lambda shift: shift == 0}
    assert expected.get(method, lambda shift: shift is None)(figures["adapter_shift"])


def test_every_method_trains_with_what_is_drawn_for_it(data):
    for job in trial_jobs(config(trials=3, models=["mf", "lightgcn"]), data):
        figures = training_row(job, lambda reads: read_data(reads, data, 1), TuneConfig())
        assert figures["status"] == "ok", (job.part, figures["error"])


def test_a_diverging_training_is_a_row_and_not_an_exception(data):
    failed = row(data, reads_test=True, lr=1e30, epochs=5)
    assert failed["status"] == "diverged"
    assert failed["error"]
    assert failed["test"] is None


def test_a_trial_says_what_it_cost(data):
    figures = row(data, reads_test=False, epochs=3)
    stored = pa.Table.from_pylist([figures | {"trial": 0}], schema=TABLES["trials"]).to_pylist()[0]
    assert 0 < stored["curve"][0]["cpu_seconds"] <= stored["curve"][2]["cpu_seconds"] <= stored["cpu_seconds"]
    assert stored["started_epoch"] == 0
    assert Ending.of(stored, "ndcg@20").value == dict(stored["validation"])["ndcg@20"]
    assert [epoch for epoch, _ in Ending.of(stored, "ndcg@20").points] == [1, 2, 3]


def test_a_gpu_that_is_not_there_fails_the_training_and_is_told(data):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    failed = row(data, reads_test=False, tune=TuneConfig(gpus_per_trial=0.5))
    assert failed["status"] == "failed"
    assert "tune.gpus_per_trial is 0.5 and torch sees no GPU" in failed["error"]


def test_memory_that_runs_out_is_a_row_and_not_an_exception(data, monkeypatch):
    def greedy(*_, **__):
        raise MemoryError

    monkeypatch.setattr("hnlm_ray.tune.run.training_row.train", greedy)
    failed = row(data, reads_test=False)
    assert (failed["status"], failed["error"]) == ("failed", "MemoryError")


def counted(**tune):
    rows = [("a", "ok"), ("a", "pruned"), ("b", "failed"), ("b", "diverged"), ("c", "pruned"), ("c", "failed")]
    table = pa.table({"method": [method for method, _ in rows], "status": [status for _, status in rows]})
    return search_counts(config(trials=2, **tune).tune, table)


def test_the_budget_and_the_methods_that_failed_are_counted():
    assert counted() == {"trials_a_method": 2, "methods_all_of_whose_trials_failed": "b"}
    assert counted(stopping="asha")["pruned"] == 2
    assert counted(cpu_seconds=30)["cpu_seconds_a_method"] == 30


def test_a_pruned_trial_may_win(data):
    rows = [trial("mf-rns", 0, 0.2), trial("mf-rns", 1, 0.3) | {"status": "pruned"}]
    assert {job.config.dim for job in refit_jobs(config(models=["mf"]), rows)} == {5}
