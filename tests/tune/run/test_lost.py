"""Trainings whose process was lost: made again by the next start, never a fault of the method; no Ray is started."""

import io

import pytest
from rich.console import Console

from hnlm_ray.base.errors import StageError
from hnlm_ray.base.progress import LineProgress
from hnlm_ray.config import Config
from hnlm_ray.tune.job import Ending
from hnlm_ray.tune.run import sweep as sweeps
from hnlm_ray.tune.run.board import LostTrainings
from hnlm_ray.tune.run.sweep import DIED_TWICE, Sweep, Why, make_again, why_lost
from hnlm_ray.tune.run.training_row import failed_row
from hnlm_ray.tune.search.job_queue import SearchedJobs
from hnlm_ray.tune.stage import none_finished, search_counts, searched_methods
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.stage import Retry, StageRun, parse_retry
from hnlm_ray.workspace.tables import LOST, TABLES

FINGERPRINT = "a" * 64
DIED = "Failure # 1\nray.exceptions.ActorDiedError: The actor died unexpectedly\n\tclass_name: x"
OWN = "Failure # 1\nray::ImplicitFunc.train()\nKeyError: 'a'"
FULL = "Failure # 1\nray::ImplicitFunc.train()\nOSError: [Errno 28] No space left on device"


def config(**tune):
    tune = {"models": ["mf"], "methods": ["rns", "dns"], "trials": 2, **tune}
    return Config.model_validate(
        {"name": "x", "workspace": "/nowhere", "source": {"format": "movielens_100k"}, "cf": {"dim": 4}, "tune": tune}
    )


class FakeTune:
    """Stands in for Ray Tune: what a training comes to is in ``lost`` (how often it is still lost, and why)."""

    def __init__(self):
        self.lost, self.started = {}, []

    def __call__(self, shared, searcher, _stopping, steps):
        for number in range(100):
            suggested = searcher.suggest(str(number))
            if suggested == searcher.FINISHED:
                return
            job = sweeps.Job.from_json(suggested["job"])
            self.started.append((job.part, job.config))
            times, why = self.lost.get(job.part, (0, ""))
            if times:
                self.lost[job.part] = times - 1, why
                steps.errors[job.part] = why_lost(why)
                searcher.on_trial_complete(str(number), None, error=True)
                continue
            shared.rows.write(job, failed_row(job, "") | {"status": "ok", "validation": {"ndcg@20": 0.5}, "epochs": 1})
            report = {"status": "ok", "value": 0.5, "cpu_seconds": 1.0}
            searcher.on_trial_complete(str(number), report)


@pytest.fixture
def fake(monkeypatch):
    fake = FakeTune()
    monkeypatch.setattr(sweeps, "_tune", fake)
    return fake


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace.open(str(tmp_path / "ws"))
    workspace.create()
    store = workspace.table("interactions")
    file = store.write_part("f" * 64, "part-0", TABLES["interactions"].empty_table())
    store.publish(Manifest(table="interactions", stage="test", fingerprint="f" * 64, files=(file,)))
    return workspace


def run(workspace, settings=None, *, fingerprint=FINGERPRINT, retry=None):
    settings = settings or config()
    stage_run = StageRun(settings, workspace, fingerprint, LineProgress(Console(file=io.StringIO())), retry=retry)
    sweep = Sweep.open(stage_run, "trials", None)
    queue = SearchedJobs(searched_methods(settings, Data), cpu_seconds=None, begun=sweep.begun)
    return {row["method"] + f"-{row['trial']}": row for row in sweep.run_all(queue).to_pylist()}


class Data:
    pool = vectors = None


def noted(workspace):
    return LostTrainings.read(StageRun(config(), workspace, FINGERPRINT, None).chunked("trials"))


def test_a_training_that_is_lost_twice_ends_the_stage_and_its_next_start_makes_it_alone(fake, workspace):
    fake.lost = {"mf-rns-0-1": (2, DIED), "mf-dns-0-0": (1, DIED)}
    with pytest.raises(StageError) as told:
        run(workspace)
    assert str(told.value) == (
        "1 of 4 trainings were lost with their process, each twice (mf-rns-0-1: its process died): the same command "
        "makes them again; give them memory (tune.concurrent=1, a smaller cf.dim), or go on without them by "
        "tune.lost=leave_out"
    )
    assert len(str(told.value)) < 300  # of a sentence a journal keeps no more
    lost = dict(fake.started)["mf-rns-0-1"]
    assert noted(workspace).configs == {"mf-rns-0-1": lost}
    fake.started.clear()
    rows = run(workspace)
    assert fake.started == [("mf-rns-0-1", lost)]
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert noted(workspace).trainings == ()


def test_all_are_lost_and_all_are_made_again(fake, workspace):
    parts = [f"mf-{method}-0-{trial}" for method in ("rns", "dns") for trial in (0, 1)]
    fake.lost = dict.fromkeys(parts, (2, DIED))
    with pytest.raises(StageError, match="4 of 4 trainings were lost"):
        run(workspace)
    assert len(run(workspace)) == 4


def test_what_is_left_out_is_lost_and_not_failed_and_teaches_a_search_nothing(fake, workspace):
    fake.lost = {"mf-rns-0-0": (2, DIED), "mf-rns-0-1": (2, FULL), "mf-dns-0-1": (2, OWN)}
    settings = config(lost="leave_out")
    rows = run(workspace, settings)
    statuses = {name: row["status"] for name, row in rows.items()}
    assert statuses == {"mf-rns-0": LOST, "mf-rns-1": LOST, "mf-dns-0": "ok", "mf-dns-1": "failed"}
    table = sweeps.pa.Table.from_pylist(list(rows.values()), schema=TABLES["trials"])
    assert search_counts(settings.tune, table) == {"trials_a_method": 2, "trials_lost_with_their_process": 2}
    (rns, *_) = searched_methods(config(search="tpe"), Data)
    job = rns.start(0, {})
    rns.end(0, job.config, Ending(LOST, None, 0.0))
    assert rns.told == {}
    assert rns.ended == 1


def test_a_training_that_fails_by_itself_is_recorded_at_once(fake, workspace):
    fake.lost = {"mf-rns-0-0": (2, OWN)}
    rows = run(workspace)
    assert (rows["mf-rns-0"]["status"], rows["mf-rns-0"]["error"]) == ("failed", "it failed twice: KeyError: 'a'")


@pytest.mark.parametrize("of", ["published", "unfinished"])
def test_failed_trainings_are_made_again_and_the_others_stay(fake, workspace, of):
    fake.lost = {"mf-rns-0-1": (2, OWN), "mf-dns-0-0": (2, FULL)}
    before = run(workspace, config(lost="leave_out"))
    settings = {name: row["config"] for name, row in before.items()}
    retry = parse_retry("failed", ("failed", LOST))
    fingerprint = FINGERPRINT
    if of == "published":
        store = workspace.table("trials")
        store.publish(Manifest(table="trials", stage="trials", fingerprint=FINGERPRINT, files=store.parts(FINGERPRINT)))
        retry = retry.of_table(FINGERPRINT)
        fingerprint = retry.revision
    fake.started.clear()
    rows = run(workspace, fingerprint=fingerprint, retry=retry)
    assert sorted(part for part, _ in fake.started) == ["mf-dns-0-0", "mf-rns-0-1"]
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert {name: row["config"] for name, row in rows.items()} == settings


def test_a_retry_that_was_stopped_goes_on(fake, workspace):
    fake.lost = {"mf-rns-0-1": (2, OWN)}
    run(workspace)
    table = StageRun(config(), workspace, FINGERPRINT, None).chunked("trials")
    retry = Retry("failed", among=("failed", LOST))
    make_again(table, retry)
    make_again(table, retry)
    assert [one.key["trial"] for one in LostTrainings.read(table).trainings] == [1]
    assert len(table.written()) == 3


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (DIED, Why(LOST, DIED_TWICE)),
        (
            "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.",
            Why(LOST, DIED_TWICE),
        ),
        ("ray.exceptions.NodeDiedError: the node of it died", Why(LOST, DIED_TWICE)),
        (FULL, Why(LOST, "it failed twice: OSError: [Errno 28] No space left on device")),
        ("Traceback\nPermissionError: [Errno 13] x", Why(LOST, "it failed twice: PermissionError: [Errno 13] x")),
        (OWN, Why("failed", "it failed twice: KeyError: 'a'")),
        ("ray.exceptions.RayTaskError(KeyError): x\nKeyError: 'a'", Why("failed", "it failed twice: KeyError: 'a'")),
    ],
)
def test_what_the_machine_did_is_told_from_what_a_training_did(error, why):
    assert why_lost(error) == why


def test_a_damaged_note_is_none(workspace):
    table = StageRun(config(), workspace, FINGERPRINT, None).chunked("trials")
    table.write_note("lost.json", '{"trainings": [{"ke')
    assert LostTrainings.read(table).trainings == ()


def test_where_all_trials_failed_the_most_frequent_reason_and_the_commands_are_told():
    rows = [{"status": "failed", "error": f"no text of item {n}"} for n in range(3)]
    rows.append({"status": "diverged", "error": "loss is nan"})
    schema = sweeps.pa.schema([TABLES["trials"].field(name) for name in ("status", "error")])
    told = none_finished(sweeps.pa.Table.from_pylist(rows, schema=schema))
    assert told == (
        "none of the 4 trials came to a figure, 3 of them by: no text of item N; `hnlm failures --stage trials` lists "
        "them; once that is mended, `hnlm stage trials --retry failed` makes them again"
    )
    assert "--retry" not in none_finished(sweeps.pa.Table.from_pylist(rows[-1:], schema=schema))
