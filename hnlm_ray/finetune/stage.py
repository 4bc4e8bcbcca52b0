"""Stage: supervision records -> a fine-tuned LLM, on Ray Train with DeepSpeed."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import ray
from ray.actor import ActorHandle

from hnlm_ray.base.errors import HnlmError, InputError, StageError, error_of, kind_of
from hnlm_ray.base.progress import Progress
from hnlm_ray.base.text import named
from hnlm_ray.cf import DivergedError
from hnlm_ray.config import Config
from hnlm_ray.finetune.checkpoints import Checkpoints
from hnlm_ray.finetune.export import export_model
from hnlm_ray.finetune.loop import TRAINED_FILE, LogRow, Worker
from hnlm_ray.workspace import ChunkedTable, Rows, Tokens, Workspace
from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.tables import TABLES

_POLL_S = 1.0
Counts = dict[str, int | float | str | None]


class _Steps:
    """An actor that hears of finished steps from the first worker, and tells the driver."""

    def __init__(self) -> None:
        self._planned, self._done, self._tokens = 0, 0, 0
        self._failure: tuple[str, str] | None = None

    def plan(self, steps: int, done: int) -> None:
        """Say how many steps there are, and where training starts."""
        self._planned, self._done = steps, done

    def finish(self, step: int, tokens: int) -> None:
        """Say that a step is done."""
        self._done, self._tokens = step, self._tokens + tokens

    def fail(self, kind: str, sentence: str) -> None:
        """Say why training can't go on, by an error's class and sentence; starting it again would not help."""
        self._failure = kind, sentence

    def failure(self) -> tuple[str, str] | None:
        """Return why training couldn't go on, if so."""
        return self._failure

    def read(self) -> tuple[int, int, int]:
        """Return steps planned, steps done, and tokens since the start."""
        return self._planned, self._done, self._tokens


@dataclass(frozen=True)
class FinetuneJob:
    """What a worker of Ray Train needs to know; ``steps`` is the actor :class:`_Steps`."""

    config: Config
    checkpoints: Checkpoints
    log: ChunkedTable
    steps: ActorHandle


def run_worker(job: FinetuneJob) -> None:
    """Train in a Ray Train worker; what would fail again is told and ends it, for Ray Train tries an error anew.

    Only what all workers meet together may end one quietly: others wait for it otherwise, and are ended by its error.
    """
    from ray import train

    if ray.get(job.steps.failure.remote()):
        return
    try:
        _train_worker(job, train.get_context().get_world_rank())
    except DivergedError as error:
        ray.get(job.steps.fail.remote(kind_of(StageError()), str(error)))
    except HnlmError as error:
        ray.get(job.steps.fail.remote(kind_of(error), str(error)))
        raise


def _train_worker(job: FinetuneJob, rank: int) -> None:
    """Train from the latest checkpoint to the last step, and hand over the trained weights."""
    import torch
    from ray.train.torch import get_device

    from hnlm_ray.finetune import loop

    config, checkpoints = job.config, job.checkpoints
    torch.set_num_threads(max(1, int(config.finetune.cpus_per_worker)))
    worker = loop.start_worker(config, checkpoints, rank, get_device())
    first = saved = loop.restore(worker)
    if rank == 0:
        _drop_rows_after(job.log, first)
        ray.get(job.steps.plan.remote(worker.plan.steps, first))
    for row in loop.train_from(worker, first):
        step = int(row["step"] or 0)
        if rank == 0:
            job.steps.finish.remote(step, int(row["tokens"] or 0))
        if step > 0 and (step % config.finetune.checkpoint_every == 0 or step == worker.plan.steps):
            if rank == 0:
                _write_rows(job.log, loop.log_rows_since(worker.rows, saved))
            loop.save(worker, step)
            saved = step
    _hand_over(worker, checkpoints)


def _hand_over(worker: Worker, checkpoints: Checkpoints) -> None:
    from hnlm_ray.finetune import loop

    with tempfile.TemporaryDirectory(prefix="hnlm-trained-") as folder:
        loop.save_trained(worker, folder)
        if worker.rank == 0:
            checkpoints.put(os.path.join(folder, TRAINED_FILE))


def _write_rows(log: ChunkedTable, rows: list[LogRow]) -> None:
    table = pa.Table.from_pylist(rows, schema=TABLES["finetune_log"])
    log.write(f"until-{rows[-1]['step']:06}", table)


def _drop_rows_after(log: ChunkedTable, step: int) -> None:
    """Forget steps that were logged but whose checkpoint does not count: they are trained again."""
    for name in log.written():
        if int(name.removeprefix("until-")) > step:
            log.remove(name)


def finetune(run: StageRun) -> Outcome:
    """Stage: supervision_records, teacher_users, teacher_items -> finetune_log, finetuned_model.

    Raises
    ------
    StageError
        When workers died or failed more often than ``finetune.max_failures`` allows (the checkpoints stay), or the
        loss is not finite; the sentence is the first worker's own.
    """
    log = run.chunked("finetune_log")
    checkpoints = Checkpoints.of(run.workspace, run.fingerprint)
    if not log.written():
        checkpoints.remove()  # left of a fine-tuning that was published: its log went then
    if not checkpoints.has(TRAINED_FILE):
        _train(run, checkpoints, log)
    rows = log.sorted_rows()
    log.write_final(rows)
    figures = _figures(rows)
    _export(run, checkpoints, figures)
    tokens = Tokens(tokens_in=sum(rows["tokens"].to_pylist()))
    return Outcome(Rows(ok=rows.num_rows), counts=figures, tokens=tokens)


def _train(run: StageRun, checkpoints: Checkpoints, log: ChunkedTable) -> None:
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchTrainer

    settings = run.config.finetune
    # What is wrong with the records or the query is said at once: a worker that fails is tried again.
    ray.get(ray.remote(num_cpus=0.5)(_check_records).remote(run.config, run.workspace))
    steps = ray.remote(num_cpus=0)(_Steps).remote()
    job = FinetuneJob(run.config, checkpoints, log, steps)
    resources = {"CPU": settings.cpus_per_worker} | (
        {"GPU": settings.gpus_per_worker} if settings.gpus_per_worker else {}
    )
    with tempfile.TemporaryDirectory(prefix="hnlm-train-") as scratch, _reported(run.progress, steps):
        trainer = TorchTrainer(
            lambda: run_worker(job),
            scaling_config=ScalingConfig(
                num_workers=settings.workers, use_gpu=settings.gpus_per_worker > 0, resources_per_worker=resources
            ),
            # Ray's own records; checkpoints and log are ours, in the run's folder.
            run_config=RunConfig(
                name="finetune",
                storage_path=scratch,
                failure_config=FailureConfig(max_failures=settings.max_failures),
                worker_runtime_env={"env_vars": worker_environment(run.config)},
            ),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            raise _told(steps) or training_error(error) from error
    if failure := _told(steps):
        raise failure
    if not checkpoints.has(TRAINED_FILE):
        raise StageError("the fine-tuning ended without trained weights: see the log, and run the same command again")


def _told(steps: ActorHandle) -> HnlmError | None:
    """Return the error that a worker told; none: no such error."""
    failure = ray.get(steps.failure.remote())
    return None if failure is None else error_of(*failure)


def training_error(error: Exception) -> StageError:
    """Return what the user reads of a failed Ray Train: the cause of the worker that failed first, and its remedy."""
    failures: Mapping[int, Exception] = getattr(error, "worker_failures", {})
    if not failures:
        return StageError(
            f"the fine-tuning's workers failed: {named(getattr(error, 'controller_failure', error))}; {_GO_ON}"
        )
    rank, cause = min(failures.items(), key=lambda one: (_order(one[1]), one[0]))
    return StageError(f"worker {rank} of the fine-tuning failed: {named(cause)}: {_remedy(cause)}; {_GO_ON}")


_GO_ON: Final = "the same command goes on after the latest checkpoint"
_FOLLOWS: Final = re.compile(r"(?i)gloo|nccl|process group|connection (reset|closed|refused)|broken pipe|timed out")
_DIED: Final = re.compile(r"(?i)actor (died|is )|worker (died|crashed)|ActorDied|ActorUnavailable|health check")
_REMEDIES: Final = {
    re.compile(r"(?i)no space left|disk quota|PytorchStreamWriter|unexpected pos"): (
        "free space in the workspace and where temporary files go (TMPDIR)"
    ),
    re.compile(r"(?i)out of memory|can't allocate memory|MemoryError|low on memory"): (
        "lower finetune.micro_batch or finetune.max_tokens"
    ),
    _DIED: "give it memory, or lower finetune.micro_batch or finetune.workers",
    _FOLLOWS: "see that its nodes reach each other",
}


def _order(cause: Exception) -> int:
    """Return 0 of an error of a worker's own, 1 of a process that died, 2 of what others meet when one is gone."""
    text = named(cause)
    return 2 if _FOLLOWS.search(text) else int(bool(_DIED.search(text)))


def _remedy(cause: Exception) -> str:
    text = named(cause)
    return next(
        (remedy for sign, remedy in _REMEDIES.items() if sign.search(text)), "mend that; its log has the traceback"
    )


def _check_records(config: Config, workspace: Workspace) -> None:
    from hnlm_ray.finetune.batches import read_records
    from hnlm_ray.finetune.model import query_encoder

    encoder = query_encoder(config)
    for split in ("train", "held_out"):
        if not len(read_records(workspace, split, encoder)):
            raise InputError(f"no supervision record is in split '{split}': raise records.most or the number of users")


def worker_environment(config: Config) -> dict[str, str]:
    """Return the environment that a training worker's process needs."""
    common = {"TOKENIZERS_PARALLELISM": "false"}
    return common if config.finetune.gpus_per_worker else common | {"DS_ACCELERATOR": "cpu"}


@contextmanager
def _reported(progress: Progress, steps: ActorHandle) -> Iterator[None]:
    """Pass on what the actor hears, while it lasts."""
    over = threading.Event()

    def follow() -> None:
        shown, counted, begun = 0, 0, False
        while not over.wait(_POLL_S) or not begun:
            if over.is_set() and not begun:
                return
            planned, done, tokens = ray.get(steps.read.remote())
            if planned and not begun:
                progress.start("finetune", planned, done, unit="steps")
                shown, begun = done, True
            if begun:
                progress.advance(max(done - shown, 0), max(tokens - counted, 0))
                shown, counted = max(done, shown), max(tokens, counted)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=10)
        progress.finish()


def _export(run: StageRun, checkpoints: Checkpoints, figures: Counts) -> None:
    exported = ray.remote(num_cpus=1)(export_model).remote(run.config, checkpoints, figures)
    files = pa.Table.from_pylist(ray.get(exported), schema=TABLES["finetuned_model"])
    run.output("finetuned_model").write_part(run.fingerprint, "part-00000", files)
    checkpoints.remove_steps()


def _figures(rows: pa.Table) -> Counts:
    measured = {row["step"]: row["held_out_loss"] for row in rows.to_pylist() if row["held_out_loss"] is not None}
    before, after = measured[-1], measured[max(measured)]
    return {
        "steps": max(measured),
        "held_out_loss_before": round(before, 5),
        "held_out_loss_head": round(measured[0], 5),
        "held_out_loss": round(after, 5),
        "held_out_loss_fall": round(1 - after / before, 4),
    }
