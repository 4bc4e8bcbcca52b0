"""Real Ray Train and DeepSpeed: workers killed with SIGKILL, training goes on to the same losses."""

import io
import random
import signal
import threading
import time

import psutil
import pytest
from finetune_tables import finetune_config, write_tables
from one_ray import connected
from rich.console import Console

from hnlm_ray.base.errors import StageError
from hnlm_ray.base.progress import LineProgress
from hnlm_ray.finetune.stage import finetune
from hnlm_ray.workspace.stage import StageRun, chunks_of

pytestmark = pytest.mark.real
FINGERPRINT = "a" * 64
STEPS = {"epochs": 24, "checkpoint_every": 10, "batch_size": 8, "micro_batch": 4}


def stage_run(folder, **settings):
    workspace = write_tables(folder)
    config = finetune_config(folder, **(STEPS | settings))
    return StageRun(config, workspace, FINGERPRINT, LineProgress(Console(file=io.StringIO())))


def log_of(run):
    store = run.workspace.table("finetune_log")
    return {row["step"]: row for row in store.read_parts(store.parts(FINGERPRINT)).to_pylist()}


def train_workers():
    """Return the processes of Ray Train's workers: Ray puts an actor's class into its process's title."""
    found = [process for process in psutil.process_iter() if "RayTrainWorker" in " ".join(_title(process))]
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def _title(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def steps_saved(run):
    store = run.workspace.table("finetune_log")
    return sum(part.rows for part in store.parts(chunks_of(FINGERPRINT)))


class Killer(threading.Thread):
    """Kills one worker at a random moment after the first checkpoint, and later all of them."""

    def __init__(self, run, seed):
        super().__init__(daemon=True)
        self.run_, self.draw, self.killed, self.over = run, random.Random(seed), [], False

    def run(self):
        for how_many in (1, None):
            before = steps_saved(self.run_)
            while not self.over and steps_saved(self.run_) <= before:
                time.sleep(0.02)
            time.sleep(self.draw.uniform(0, 0.4))
            victims = train_workers()[:how_many]
            for victim in victims:
                victim.send_signal(signal.SIGKILL)
            self.killed.append(len(victims))
            while not self.over and not train_workers():
                time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    run = stage_run(tmp_path_factory.mktemp("whole"))
    with connected(run.config, []):
        finetune(run)
    return log_of(run)


@pytest.mark.long
@pytest.mark.parametrize("stage", [2, 3])
def test_one_worker_then_all_killed_resume_from_the_last_checkpoint_to_the_same_losses(tmp_path, undisturbed, stage):
    """ZeRO shards what is stored, not what is computed: both stages are held to the losses of one run."""
    run = stage_run(tmp_path, zero_stage=stage)
    with connected(run.config, []):
        killer = Killer(run, seed=stage)
        killer.start()
        outcome = finetune(run)
        killer.over = True
        killer.join()
    assert killer.killed == [1, 2]
    found = log_of(run)
    assert list(found) == list(undisturbed)
    assert [row["lr"] for row in found.values()] == pytest.approx([row["lr"] for row in undisturbed.values()])
    assert outcome.rows.ok == len(undisturbed)
    for step, row in undisturbed.items():
        for name in ("loss", "held_out_loss"):
            if row[name] is not None:
                assert abs(found[step][name] - row[name]) < 1e-3, (step, name)
    assert found[max(found)]["held_out_loss"] < 0.8 * found[-1]["held_out_loss"]


def test_a_training_that_diverges_ends_with_one_sentence_and_is_not_tried_again(tmp_path):
    run = stage_run(tmp_path, lr=1e38, new_lr=1e38)
    with (
        connected(run.config, []),
        pytest.raises(StageError, match=r"diverged at step \d+: lower finetune\.lr or finetune\.new_lr"),
    ):
        finetune(run)
    assert run.workspace.table("finetuned_model").manifest() is None
