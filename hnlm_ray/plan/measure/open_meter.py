"""Starts the engine that is measured, hands it samples and shows how far it is: the driver's side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hnlm_ray.base.errors import StageError
from hnlm_ray.base.progress import Progress
from hnlm_ray.config import Config
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.rows.job import LLMTask, RowPrompt
from hnlm_ray.plan.measure.engine_meter import Asked, EngineMeter, died_sentence

_POLL_S: Final = 1.0


@dataclass(frozen=True)
class OpenMeter:
    """A started engine, and how long its start took in seconds."""

    actor: Any
    start_s: float

    def close(self) -> None:
        """End the engine, for the memory and the processors of what is measured next."""
        import ray

        ray.get(self.actor.close.remote())
        ray.kill(self.actor)

    def ask(self, task: LLMTask, rows: Sequence[RowPrompt], progress: Progress) -> Asked:
        """Have the sample of a stage answered, and show how far it is."""
        import ray

        progress.start(f"sample of {task.table}", len(rows))
        asked, shown = self.actor.ask.remote(task, rows), 0
        try:
            while not ray.wait([asked], timeout=_POLL_S)[0]:
                done = ray.get(self.actor.done.remote())
                progress.advance(done - shown)
                shown = done
            result: Asked = ray.get(asked)
        except ray.exceptions.RayActorError as error:
            raise StageError(died_sentence(task, "its process is gone")) from error
        progress.advance(len(rows) - shown)
        progress.finish()
        return result


def open_meter(config: Config, progress: Progress) -> OpenMeter:
    """Start the engine in a Ray actor with the resources and the environment of a stage's."""
    import ray

    llm = config.llm
    progress.start("engine start", 1, unit="engines")
    started = time.monotonic()
    actor = (
        ray.remote(EngineMeter)
        .options(
            num_cpus=llm.cpus_per_engine,
            num_gpus=llm.gpus_per_engine,
            runtime_env={"env_vars": dict(engine_kind(llm).environment(llm))},
        )
        .remote(config)
    )
    try:
        ray.get(actor.ready.remote(), timeout=llm.start_timeout_s)
    except ray.exceptions.GetTimeoutError:
        raise StageError(
            f"the LLM engine did not start in {llm.start_timeout_s:.0f} s: see the log, or raise llm.start_timeout_s"
        ) from None
    progress.advance()
    progress.finish()
    return OpenMeter(actor, time.monotonic() - started)
