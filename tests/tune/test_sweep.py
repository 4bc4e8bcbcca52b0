"""Sweeps on a real Ray: what is tried, ended early, lost and gone on with."""

import contextlib
import io
import threading
import time

import numpy as np
import psutil
import pyarrow as pa
import pytest
from one_ray import connected
from rich.console import Console

from hnlm_ray.base.errors import StageError
from hnlm_ray.base.progress import LineProgress
from hnlm_ray.cf import CFData, Positives
from hnlm_ray.config import Config
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.stage import StageRun, chunks_of
from hnlm_ray.workspace.tables import TABLES

pytestmark = pytest.mark.real
FINGERPRINT = "a" * 64
TIMES = {"seconds", "cpu_seconds", "started_epoch"}


def config(**changes):
    cf = {"dim": 8, "epochs": 12, "patience": 12, "batch_size": 64, **changes.pop("cf", {})}
    tune = {"models": ["mf"], "methods": ["rns", "dns"], "trials": 6, "concurrent": 1, **changes}
    tree = {"name": "sweep", "workspace": "/nowhere", "source": {"format": "movielens_100k"}}
    return Config.model_validate({**tree, "cf": cf, "tune": tune, "ray": {"cpus": 4}})


@pytest.fixture(scope="module")
def ray_runs():
    with connected(config(), [find_stage("trials")]):
        yield


@pytest.fixture(scope="module")
def data():
    draw = np.random.default_rng(3)
    rows = np.array([(user, item) for user in range(60) for item in draw.choice(50, 12, replace=False)])
    splits = [Positives.from_pairs(*rows[np.arange(len(rows)) % 3 == part].T, 60) for part in range(3)]
    return CFData(60, 50, *splits)


def open_workspace(folder):
    workspace = Workspace.open(str(folder))
    workspace.create()
    store = workspace.table("interactions")
    file = store.write_part("f" * 64, "part-0", pa.Table.from_pylist([], schema=TABLES["interactions"]))
    store.publish(Manifest(table="interactions", stage="test", fingerprint="f" * 64, files=(file,)))
    return workspace


def sweep(settings, data, workspace):
    """Search as the stage does; returns the rows as dicts."""
    from hnlm_ray.tune.run.sweep import Sweep
    from hnlm_ray.tune.search.job_queue import SearchedJobs
    from hnlm_ray.tune.stage import searched_methods

    run = StageRun(settings, workspace, FINGERPRINT, LineProgress(Console(file=io.StringIO())))
    opened = Sweep.open(run, "trials", data)
    tune = settings.tune
    queue = SearchedJobs(
        searched_methods(settings, data),
        cpu_seconds=tune.cpu_seconds,
        begun=opened.shared.rows.states.begun(),
    )
    return opened.run_all(queue).to_pylist()


def without_times(rows):
    return [
        {name: value for name, value in row.items() if name not in TIMES}
        | {"curve": [(point["epoch"], point["loss"], point["validation"]) for point in row["curve"]]}
        for row in rows
    ]


def chunk_files(workspace):
    store = workspace.table("trials")
    return store, [file.path for file in store.parts(chunks_of(FINGERPRINT))]


@pytest.mark.parametrize("stopping", ["none", "asha", "median"])
def test_rows_lost_by_a_kill_are_trained_again_to_the_same_figures(ray_runs, data, tmp_path, stopping):
    settings = config(search="tpe", startup_trials=2, stopping=stopping, grace_epochs=2)
    workspace = open_workspace(tmp_path / "ws")
    rows = sweep(settings, data, workspace)
    assert [(row["method"], row["trial"]) for row in rows] == [(f"mf-{m}", n) for m in ("dns", "rns") for n in range(6)]
    statuses = [row["status"] for row in rows]
    assert set(statuses) <= {"ok", "pruned"}
    assert ("pruned" in statuses) == (stopping != "none")
    store, files = chunk_files(workspace)
    # Of a run that was killed in the middle there are the first trials of both methods.
    for path in files:
        if int(path.removesuffix(".parquet").rpartition("-")[2]) > 2:
            store.remove_part(chunks_of(FINGERPRINT), path.rpartition("/")[2].removesuffix(".parquet"))
    assert without_times(sweep(settings, data, workspace)) == without_times(rows)


def test_a_finished_sweep_runs_nothing_again(ray_runs, data, tmp_path):
    workspace = open_workspace(tmp_path / "ws")
    settings = config(trials=1)
    first = sweep(settings, data, workspace)
    assert sweep(settings, data, workspace) == first


def test_trials_at_the_same_time_are_those_of_one_at_a_time_where_nothing_is_learnt(ray_runs, data, tmp_path):
    rows = [
        sweep(config(trials=3, concurrent=concurrent), data, open_workspace(tmp_path / f"{concurrent}"))
        for concurrent in (1, 3)
    ]
    assert without_times(rows[0]) == without_times(rows[1])


def test_each_method_gets_its_cpu_seconds_and_no_more_than_an_evaluation_over(ray_runs, data, tmp_path):
    settings = config(trials=50, cpu_seconds=1.5, cf={"epochs": 300, "patience": 300})
    rows = sweep(settings, data, open_workspace(tmp_path / "ws"))
    for method in ("mf-rns", "mf-dns"):
        own = [row for row in rows if row["method"] == method]
        assert 1 <= len(own) < 50
        assert 1.5 <= sum(row["cpu_seconds"] for row in own) < 4
        ended = [row for row in own if row["status"] == "pruned"]
        assert len(ended) <= 1
        assert all("CPU seconds of the method's search were used up" in row["error"] for row in ended)


def test_event_files_hold_the_curve(ray_runs, data, tmp_path):
    from tensorboardX.proto.event_pb2 import Event

    settings = config(trials=1, methods=["rns"], tensorboard=True)
    (row,) = sweep(settings, data, open_workspace(tmp_path / "ws"))
    (path,) = (tmp_path / "ws" / "tensorboard" / "trials" / "mf-rns-0-0").iterdir()
    content, points = path.read_bytes(), []
    while content:
        length = int.from_bytes(content[:8], "little")
        event = Event.FromString(content[12 : 12 + length])
        points += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
        content = content[16 + length :]
    losses = {step: value for step, tag, value in points if tag == "loss"}
    assert losses == pytest.approx({point["epoch"]: point["loss"] for point in row["curve"]})
    assert len([step for step, tag, _ in points if tag == "validation/ndcg_20"]) == len(row["curve"])


class Killer(threading.Thread):
    """Kills the process that trains, so many times, each time another one."""

    def __init__(self, times):
        super().__init__(daemon=True)
        self.left, self.killed = times, []

    def run(self):
        while self.left:
            time.sleep(0.2)
            for process in psutil.Process().children(recursive=True):
                if self.left and process.pid not in self.killed and self._trains(process):
                    process.kill()
                    self.killed.append(process.pid)
                    self.left -= 1

    def _trains(self, process):
        try:
            title = process.cmdline()[0]
            return title.startswith("ray::") and ".train" in title
        except (psutil.Error, IndexError):
            return False


@pytest.mark.usefixtures("ray_runs")
@pytest.mark.parametrize(("kills", "lost", "status"), [(1, "stop", "ok"), (2, "stop", None), (2, "leave_out", "lost")])
def test_a_training_whose_process_dies_is_tried_once_more_and_then_by_the_next_start(
    data, tmp_path, kills, lost, status
):
    workspace = open_workspace(tmp_path / "ws")
    settings = config(trials=1, methods=["rns"], lost=lost, cf={"epochs": 1500, "patience": 1500})
    killer = Killer(kills)
    killer.start()
    with contextlib.nullcontext() if status else pytest.raises(StageError, match="1 of 1 trainings were lost with"):
        (row,) = sweep(settings, data, workspace)
        assert row["status"] == status
        assert (row["error"] or "").startswith("its process died twice" if status == "lost" else "")
    killer.left = 0
    killer.join()
    assert len(killer.killed) == kills
    if status is None:
        assert [row["status"] for row in sweep(settings, data, workspace)] == ["ok"]


def test_a_training_that_can_not_write_its_row_says_so_and_the_others_go_on(ray_runs, data, tmp_path):
    workspace = open_workspace(tmp_path / "ws")
    store = workspace.table("trials")
    # A folder stands where the row is to be written.
    blocked = tmp_path / "ws" / "tables" / "trials" / store.parts_folder(chunks_of(FINGERPRINT)).rpartition("/")[2]
    (blocked / "mf-rns-0-1.parquet").mkdir(parents=True)
    with pytest.raises(StageError, match=r"1 of 3 trainings were lost .*mf-rns-0-1: .*mend that first"):
        sweep(config(trials=3, methods=["rns"]), data, workspace)
    assert [path.rpartition("/")[2] for path in chunk_files(workspace)[1]] == [
        "mf-rns-0-0.parquet",
        "mf-rns-0-2.parquet",
    ]
    (blocked / "mf-rns-0-1.parquet").rmdir()
    assert [row["status"] for row in sweep(config(trials=3, methods=["rns"]), data, workspace)] == ["ok"] * 3
