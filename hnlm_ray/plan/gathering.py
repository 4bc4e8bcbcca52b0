"""Gathers what a plan rests on: measures what is wanted and may be measured, recalls or assumes the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final

from hnlm_ray.base.errors import ResourceError
from hnlm_ray.base.progress import Progress
from hnlm_ray.config import Config
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.plan.estimate.stage_cost import asked_of, pace_of
from hnlm_ray.plan.figures import Options
from hnlm_ray.plan.known.answers import Answers, ask, expect, key_of, remembered, written_texts
from hnlm_ray.plan.known.rates import (
    AnswerRate,
    EngineRate,
    Rates,
    changed_rates,
    engine_key,
    known_engine,
    measured_engine,
    read_rates,
)
from hnlm_ray.plan.known.works import known_works, measure_works, remember_works
from hnlm_ray.plan.measure.engine_meter import open_meter
from hnlm_ray.plan.measure.queries import encoder_texts, sample_queries
from hnlm_ray.plan.measure.sampling import Sampler, Texts
from hnlm_ray.plan.task import Found, Task
from hnlm_ray.workspace.stage import Stage

_COLUMNS: Final = {"item_profiles": "summary", "user_profiles": "summary"}
OpenRay = Callable[[Sequence[Stage]], AbstractContextManager[Progress]]


def gather(task: Task, options: Options, open_ray: OpenRay) -> Found:
    """Measure, recall or assume; what was measured is remembered.

    Raises
    ------
    ResourceError
        When a measurement needs GPUs that this machine lacks.
    """
    rates = read_rates()
    sampler = Sampler(task.config, task.workspace, options.sample)
    asks = _asks_llm(task, options, rates)
    stages = _to_measure(task, options, asks=asks)
    with open_ray(stages) as progress:
        found = _asked(task, sampler, rates, progress) if asks else _recalled(task, sampler, options, rates)
        return _worked(task, sampler, found, stages, progress, anew=options.measure is True)


def _asks_llm(task: Task, options: Options, rates: Rates) -> bool:
    """Tell whether the engine answers a sample: not where it costs money, a rate is given, or all is remembered."""
    llm, asked = task.config.llm, asked_of(task.todo)
    if not asked or options.measure is not None:
        return bool(asked and options.measure)
    if engine_kind(llm).may_bill or options.rate is not None:
        return False
    known = [remembered(task.config, one.task(task.config, task.workspace), rates) for one in asked.values()]
    return None in known or engine_key(task.config) not in rates.engines


def _to_measure(task: Task, options: Options, *, asks: bool) -> list[Stage]:
    """Return the stages of which something is measured."""
    if options.measure is False:
        return []
    asked = asked_of(task.todo)
    wanted = [stage for stage in task.todo if (asks if stage.name in asked else pace_of(stage))]
    missing = _missing_gpus(task.config, wanted)
    if missing is None:
        return wanted
    if options.rate is not None and not asks:
        return []
    raise ResourceError(
        f"{missing}: plan with --no-measure, and give the rate of the machine that has them (--rate PREFILL,DECODE)"
    )


def _missing_gpus(config: Config, stages: Sequence[Stage]) -> str | None:
    """Say which GPUs a measurement would need, if this machine lacks them; a cluster says so itself."""
    needed = max((bundle.get("GPU", 0) for stage in stages for bundle in stage.bundles(config)), default=0)
    if not needed or config.ray.address != "local":
        return None
    import torch

    there = torch.cuda.device_count()
    return f"to measure takes {needed:g} GPUs and this machine has {there}" if there < needed else None


def _known_texts(task: Task) -> dict[str, Texts]:
    """Return texts of the LLM stages that are finished; of those that the run leaves out there are none."""
    todo = asked_of(task.todo)
    asked = (name for name in _COLUMNS if name not in todo)
    done = [name for name in asked if task.workspace.table(name).manifest() is not None]
    return {name: written_texts(task.workspace, name, _COLUMNS[name]) for name in done}


def _asked(task: Task, sampler: Sampler, rates: Rates, progress: Progress) -> Found:
    """Have the engine answer the samples, and remember what it took; what no model answered means nothing."""
    meter = open_meter(task.config, progress)
    answers, texts, calls = ask(sampler, asked_of(task.todo), _known_texts(task), meter, progress)
    meter.close()  # after an error Ray itself is ended, and the engine with it
    engine = measured_engine(meter.start_s, calls)
    if engine_kind(task.config.llm).has_a_model:
        _remember(task, engine.rate, answers)
    tokens = sum(call.tokens_in + call.tokens_out for call in calls)
    works = known_works(task.work, rates)
    return Found(answers, texts, engine, works, task.data, _query_tokens(task, sampler, texts), tokens)


def _remember(task: Task, engine: EngineRate, answers: Mapping[str, Answers]) -> None:
    config, asked = task.config, asked_of(task.todo)
    with changed_rates() as rates:
        rates.engines[engine_key(config)] = engine
        for stage, found in answers.items():
            out, key = tuple(one[1] for one in found.sample), key_of(config, asked[stage].task(config, task.workspace))
            rates.answers[key] = AnswerRate(tokens_out=out, tries=found.tries, chars=found.chars)


def _recalled(task: Task, sampler: Sampler, options: Options, rates: Rates) -> Found:
    answers, texts = expect(sampler, asked_of(task.todo), _known_texts(task), rates)
    parameters = task.shape.parameters if task.shape else None
    engine = known_engine(task.config, rates, parameters, options.rate)
    return Found(answers, texts, engine, known_works(task.work, rates), task.data, _query_tokens(task, sampler, texts))


def _query_tokens(task: Task, sampler: Sampler, texts: Mapping[str, Texts]) -> float:
    if "tuning" not in map(pace_of, task.todo):
        return 0.0
    queries = sample_queries(sampler, texts)
    return sum(len(query.ids) for query in queries) / max(1, len(queries))


def _worked(
    task: Task, sampler: Sampler, found: Found, stages: Sequence[Stage], progress: Progress, *, anew: bool
) -> Found:
    """Measure trainings, the fine-tuning and the encoder, those of them that stages are left for."""
    names, paces = {stage.name for stage in stages}, {pace_of(stage) for stage in stages} - {None}
    if not paces:
        return found
    queries = sample_queries(sampler, found.texts) if "tuning" in paces else []
    texts = encoder_texts(sampler) if "encoder" in paces else []
    works = measure_works(task.work, found.works, queries, texts, progress, anew=anew)
    with changed_rates() as rates:
        remember_works(task.work, works, rates)
    teacher = works.trainings.teacher
    share = teacher.mined_share if teacher is not None and "teacher" in names else None
    return replace(found, works=works, data=found.data if share is None else replace(found.data, mined_share=share))
