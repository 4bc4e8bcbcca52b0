"""A training that is started again goes on at its epoch; a state that was cut off as it was written is passed over."""

import fsspec
import numpy as np
import pytest
from pyarrow import fs as pafs

from hnlm_ray.base import progress as save_pace
from hnlm_ray.cf import CFData, Positives
from hnlm_ray.config import CFConfig, TuneConfig
from hnlm_ray.tune.job import Job
from hnlm_ray.tune.run.curve import Curve, Point
from hnlm_ray.tune.run.states import StateHeader, StateStore
from hnlm_ray.tune.run.training_row import Attendance, training_row
from hnlm_ray.workspace import Workspace

JOB = Job(
    {"method": "mf-dns", "trial": 2},
    CFConfig(model="mf", sampler="dns", dim=4, epochs=9),
    "nothing",
    5,
    reads_test=False,
)
TIMES = ("seconds", "cpu_seconds", "started_epoch", "curve")


class KilledError(BaseException):
    """Stands for `kill -9`: nothing catches it."""


@pytest.fixture(scope="module")
def data():
    draw = np.random.default_rng(3)
    rows = np.array([(user, item) for user in range(20) for item in draw.choice(30, 9, replace=False)])
    splits = [Positives.from_pairs(*rows[np.arange(len(rows)) % 9 % 3 == part].T, 20) for part in range(3)]
    return CFData(20, 30, *splits)


@pytest.fixture
def store(tmp_path):
    return StateStore(Workspace.open(str(tmp_path)).filesystem, f"{tmp_path}/states")


def test_states_lie_in_any_filesystem():
    memory = pafs.PyFileSystem(pafs.FSSpecHandler(fsspec.filesystem("memory")))
    store = StateStore(memory, "bucket/run/states")
    assert (store.begun(), store.read("a-0")) == ({}, None)
    for epochs in (3, 9):
        points = [Point(epoch=n, loss=0.5, validation=None, cpu_seconds=n) for n in range(1, epochs + 1)]
        store.write("a-0", StateHeader(config=JOB.config, seed=1, curve=Curve(points=points)), {"epoch": epochs})
    assert store.begun() == {"a-0": JOB.config}
    assert len(store._files("a-0")) == 1
    assert store.read("a-0")[1] == {"epoch": 9}
    store.remove("a-0")
    assert store.begun() == {}


def train(data, store, killed_after=None, job=JOB):
    seen = []

    def on_point(point, row):
        seen.append((point.epoch, row()["epochs"]))
        if point.epoch == killed_after:
            raise KilledError

    row = training_row(job, lambda _: data, TuneConfig(), Attendance(store, on_point))
    return row, seen


def without_times(row):
    points = [{name: value for name, value in point.items() if name != "cpu_seconds"} for point in row["curve"]]
    return {name: value for name, value in row.items() if name not in TIMES} | {"points": points}


@pytest.fixture
def every_epoch(monkeypatch):
    monkeypatch.setattr(save_pace, "EVERY_S", 0.0)
    monkeypatch.setattr(save_pace, "SHARE", 1e9)


@pytest.mark.parametrize("epoch", [2, 5, 9])
def test_a_killed_training_goes_on_and_ends_as_one_that_was_left_alone(data, store, every_epoch, epoch):
    straight, _ = train(data, None)
    with pytest.raises(KilledError):
        train(data, store, killed_after=epoch)
    resumed, seen = train(data, store)
    assert resumed["started_epoch"] == epoch - 1
    assert without_times(resumed) == without_times(straight)
    # What was before is shown again, with the row of where it stands now; then what is new.
    before = [(past, epoch - 1) for past in range(1, epoch)]
    assert seen == before + [(fresh, fresh) for fresh in range(epoch, 10)]


def test_time_counts_that_of_every_process(data, store, every_epoch):
    with pytest.raises(KilledError):
        train(data, store, killed_after=6)
    kept = store.read(JOB.part)[0].curve
    row, _ = train(data, store)
    assert row["cpu_seconds"] >= kept.cpu_seconds > 0
    assert row["seconds"] >= kept.seconds > 0
    cpu = [point["cpu_seconds"] for point in row["curve"]]
    assert cpu == sorted(cpu)


def files(store):
    return sorted(info.path for info in store._files(JOB.part))


def test_one_state_is_kept_and_it_names_what_was_trained(data, store, every_epoch):
    with pytest.raises(KilledError):
        train(data, store, killed_after=6)
    assert [path.rsplit("/", 1)[1] for path in files(store)] == ["000005"]
    assert store.begun() == {JOB.part: JOB.config}
    store.remove(JOB.part)
    assert store.begun() == {}
    store.remove(JOB.part)  # nothing there


@pytest.mark.parametrize("keep", [0, 10, 64, 300, -1])
def test_a_state_that_was_cut_off_is_passed_over_and_the_one_before_it_taken(data, store, every_epoch, keep):
    with pytest.raises(KilledError):
        train(data, store, killed_after=6)
    (whole,) = files(store)
    with open(whole, "rb") as stream:
        content = stream.read()
    with open(whole.replace("000005", "000007"), "wb") as stream:
        stream.write(content[:keep])
    assert store.read(JOB.part)[0].curve.epochs == 5
    assert store.begun() == {JOB.part: JOB.config}
    with open(whole, "wb") as stream:
        stream.write(content[:keep])
    row, _ = train(data, store)
    assert row["started_epoch"] == 0


def test_a_flipped_bit_is_noticed(data, store, every_epoch):
    with pytest.raises(KilledError):
        train(data, store, killed_after=6)
    (path,) = files(store)
    with open(path, "r+b") as stream:
        stream.seek(-200, 2)
        byte = stream.read(1)
        stream.seek(-1, 1)
        stream.write(bytes([byte[0] ^ 4]))
    assert store.read(JOB.part) is None


def test_another_training_does_not_go_on_from_it(data, store, every_epoch):
    with pytest.raises(KilledError):
        train(data, store, killed_after=6)
    other = Job(JOB.key, JOB.config.model_copy(update={"lr": 0.02}), "nothing", 5, reads_test=False)
    assert train(data, store, job=other)[0]["started_epoch"] == 0


def test_a_training_of_seconds_keeps_nothing(data, store):
    row, _ = train(data, store)
    assert row["status"] == "ok"
    assert files(store) == []


def test_a_diverged_training_keeps_its_curve_and_no_figure(data):
    job = Job(JOB.key, JOB.config.model_copy(update={"lr": 1e30}), "nothing", 5, reads_test=False)
    row, _ = train(data, None, job=job)
    assert (row["status"], row["validation"], row["best_epoch"]) == ("diverged", None, 0)
    assert row["error"]
