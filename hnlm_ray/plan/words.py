"""What a plan takes for granted, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.plan.estimate.durations import ASSUMED_READ, ASSUMED_WRITE
from hnlm_ray.plan.estimate.stage_cost import asked_of
from hnlm_ray.plan.measure.training_time import first_trials
from hnlm_ray.plan.sizes import records
from hnlm_ray.plan.task import Found, Task


def assumptions(task: Task, found: Found) -> list[str]:
    """Say what the figures rest on that nobody measured."""
    return [*_of_the_llm(task, found), *_of_trainings(task, found), *_of_sizes(task)]


def _of_the_llm(task: Task, found: Found) -> Iterator[str]:
    llm, kind = task.config.llm, engine_kind(task.config.llm)
    if not asked_of(task.todo):
        return
    if found.measured_tokens:
        yield f"the measurement itself took {found.measured_tokens:,} tokens, which are not in the plan"
        most = max(len(answers.sample) for answers in found.answers.values())
        if (slots := kind.slots(llm)) is not None and most < slots:
            yield (
                f"at most {most} requests were in flight when the engine was measured, and {slots} in a run: the "
                "time of a step is taken to grow evenly with them"
            )
    elif kind.has_a_model:
        yield "prompts hold texts of the expected length where profiles are not written yet"
    if kind.server(llm) is not None:
        yield "prompts of a server's model are counted by their characters, for its tokenizer is not here"
        if found.engine.given is None:
            yield (
                f"the server reads {ASSUMED_READ:g} and writes {ASSUMED_WRITE:g} tokens a second of each request: give "
                "its rate with --rate PREFILL,DECODE"
            )
    elif found.engine.source.endswith("size"):
        yield "nothing is known of the engine's speed here: a plan that measures tells it"


def _of_trainings(task: Task, found: Found) -> Iterator[str]:
    names = {stage.name for stage in task.todo}
    if not names & {"trials", "results", "final_model"}:
        return
    times = found.works.trainings
    every = first_trials(task.config)
    if unknown := [name for name, (_, settings) in every.items() if not times.measures(settings)]:
        yield f"trainings of {', '.join(unknown)} were not measured and take as long as the slowest that was"
    epochs = times.epochs
    if epochs is None:
        yield f"each training runs for all {task.config.cf.epochs} epochs of cf.epochs, though some may stop earlier"
    else:
        yield f"each training runs for {epochs} epochs, after which a measured one stopped"
    if task.config.tune.cpu_seconds is not None or task.config.tune.stopping != "none":
        yield "no trial is stopped early and no method's time is up: tune.stopping and tune.cpu_seconds make it less"
    if "records" in names:
        share = f"{found.data.mined_share:.0%}" if found.data.mined_share < 1 else "all"
        yield f"{share} of the mined pairs have a hard negative: {records(task.config, found.data):,} records"


def _of_sizes(task: Task) -> Iterator[str]:
    yield "memory is that of weights, caches, gradients and tables; the processes themselves take more"
    yield "disk holds the chunks of a stage, which it removes at its end"
    checkpoint = engine_kind(task.config.llm).checkpoint(task.config.llm)
    if checkpoint is not None and task.shape is None:
        yield f"llm.model '{checkpoint}' is not on this machine, so its memory is not known"
