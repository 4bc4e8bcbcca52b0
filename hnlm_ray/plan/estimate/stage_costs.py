"""What each stage takes, in the order of the pipeline; a stage's declaration names its own.

Memory of stages' workers in MiB, all of a stage together, from the sizes of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from hnlm_ray.config import Config
from hnlm_ray.evidence.prompts import judgement_task
from hnlm_ray.finetune.evaluate.comparison import MEANINGS
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.negatives.text import semantic_negative_task
from hnlm_ray.plan.estimate.disk import (
    answer_bytes,
    candidate_bytes,
    embedding_bytes,
    evaluation_bytes,
    finetune_bytes,
    judgement_bytes,
    list_bytes,
    model_bytes,
    pool_bytes,
    record_bytes,
    result_bytes,
    teacher_bytes,
    training_bytes,
)
from hnlm_ray.plan.estimate.durations import Durations, engine_seconds, http_seconds
from hnlm_ray.plan.estimate.memory import MIB, engine_mib, finetune_mib, training_mib
from hnlm_ray.plan.estimate.stage_cost import Known, Remaining, StageCost
from hnlm_ray.plan.measure.sampling import (
    Asking,
    item_profile_sample,
    judgement_sample,
    negative_sample,
    user_profile_sample,
)
from hnlm_ray.plan.sizes import records, refits, steps, trials
from hnlm_ray.profiles.items import item_profile_task
from hnlm_ray.profiles.users import user_profile_task
from hnlm_ray.workspace import Tokens

_FLOAT: Final = 4
_SQUARES: Final = 5
"""Matrices of items x items in float32: the Gram in double precision while it is solved, and three weights."""


def answering_mib(remaining: Remaining) -> float | None:
    """Return the engines that answer; None where the model's size is not known."""
    config, shape = remaining.config, remaining.task.shape
    if shape is None:
        return None
    from hnlm_ray.llm.engines.vllm import fitting_dtype

    return engine_mib(config, shape, fitting_dtype(config.llm), sum(remaining.found.answers[remaining.stage].means))


def candidate_mib(remaining: Remaining) -> float:
    """Return the solutions by which candidates are found."""
    return _SQUARES * remaining.data.items**2 * _FLOAT / MIB


def teacher_mib(remaining: Remaining) -> float:
    """Return the teacher's training."""
    return training_mib(remaining.config.teacher.cf, remaining.data, 1)


def tuning_mib(remaining: Remaining) -> float | None:
    """Return the workers of the fine-tuning; None where the model's size is not known."""
    shape = remaining.task.tuned
    return finetune_mib(remaining.config, shape, remaining.found.query_tokens) if shape else None


def evaluation_mib(remaining: Remaining) -> float | None:
    """Return the tuned and the untuned model; None where their size is not known."""
    shape = remaining.task.tuned
    return 2 * shape.parameters * _FLOAT / MIB if shape else None


def embedding_mib(remaining: Remaining) -> float | None:
    """Return the engines that give vectors; None where the model's size is not known."""
    config, shape = remaining.config, remaining.task.tuned
    return engine_mib(config, shape, config.embeddings.dtype, remaining.found.query_tokens) if shape else None


def sweep_mib(remaining: Remaining) -> float:
    """Return the trainings that run at the same time, and what their methods keep."""
    at_once = remaining.config.tune.concurrent
    return training_mib(remaining.config.cf, remaining.data, at_once) + at_once * _kept(remaining)


def _kept(remaining: Remaining) -> float:
    """Return MiB of what methods keep beside the model: a guard's beliefs or a teacher's scores, and item weights."""
    from hnlm_ray.cf.guard.rule import KEPT, beliefs_bytes
    from hnlm_ray.cf.kernels.gram import MOST_ITEMS
    from hnlm_ray.cf.teacher.semantic import kept_bytes

    users, items, kept = remaining.data.users, remaining.data.items, [0.0]
    weights = _SQUARES * items**2 * _FLOAT if items <= MOST_ITEMS else 0
    for method in RunMethods.of(remaining.config.tune).chosen.values():
        drawn = {*method.space, *(name for name, value in method.fixed.items() if value not in {0, "none"})}
        if "guard" in drawn:
            kept.append(weights + KEPT * beliefs_bytes(users, items))
        if drawn & {"fusion", "softmax.distill"}:
            kept.append(weights + kept_bytes(users, items))
        if method.model == "ease":
            kept.append(weights)
    return max(kept) / MIB


def final_mib(remaining: Remaining) -> float:
    """Return the training of the model that recommends."""
    return training_mib(remaining.config.cf, remaining.data, 1)


def list_mib(remaining: Remaining) -> float:
    """Return the vectors that lists are made with."""
    return (remaining.data.users + remaining.data.items) * remaining.config.cf.dim * _FLOAT / MIB


_MEASUREMENTS: Final = 2  # rows of the fine-tuning's log before its first step


def durations(known: Known) -> Durations:
    """Return the times of stages that ask no LLM for text, at the paces that were found."""
    found = known.found
    return Durations(known.config, known.data, found.works, found.engine.rate, found.query_tokens)


def _engine_gpus(config: Config) -> float:
    return config.llm.engines * config.llm.gpus_per_engine


def _trial_gpus(config: Config) -> float:
    return config.tune.gpus_per_trial


def _sweep_gpus(config: Config) -> float:
    return config.tune.concurrent * config.tune.gpus_per_trial


def asked(
    rows: Callable[[Known], int], asking: Asking, disk: Callable[[Remaining], float | None] = answer_bytes
) -> StageCost:
    """Return what a stage takes that asks an LLM row by row for text: all but its rows and disk is as of any other."""
    return StageCost(
        rows=rows,
        seconds=_llm_seconds,
        disk=disk,
        memory=answering_mib,
        gpus=_engine_gpus,
        prompts=lambda remaining: round(remaining.rows * remaining.found.answers[remaining.stage].tries),
        tokens=_llm_tokens,
        basis=_llm_basis,
        asking=asking,
    )


def _llm_seconds(remaining: Remaining) -> float:
    llm, answers, engine = remaining.config.llm, remaining.found.answers[remaining.stage], remaining.found.engine
    if (server := engine_kind(llm).server(llm)) is not None:
        return http_seconds(server, answers, remaining.rows, llm.engines, engine.given)
    return engine_seconds(remaining.config, answers, engine.rate, remaining.rows)


def _llm_tokens(remaining: Remaining) -> Tokens:
    tokens_in, tokens_out = remaining.found.answers[remaining.stage].means
    return Tokens(tokens_in=round(remaining.rows * tokens_in), tokens_out=round(remaining.rows * tokens_out))


def _llm_basis(remaining: Remaining) -> str:
    source, engine = remaining.found.answers[remaining.stage].source, remaining.found.engine
    llm = remaining.config.llm
    if engine_kind(llm).server(llm) is not None and engine.given is None:
        return f"{source}; time: the server's limits, and answers at an assumed pace"
    return source if source.startswith("tokens and time") else f"{source}; {engine.source}"


ITEM_PROFILES: Final = asked(lambda known: known.data.items, Asking(item_profile_task, item_profile_sample))
USER_PROFILES: Final = asked(lambda known: known.data.users, Asking(user_profile_task, user_profile_sample))


def _judged_users(known: Known) -> int:
    """Return how many users are judged: as many as ``evidence.users``, as long as ``evidence.token_budget`` lasts."""
    evidence = known.config.evidence
    most = min(known.data.users, evidence.users)
    if "judgements" not in known.found.answers:
        return most
    tokens_in = known.found.answers["judgements"].means[0]
    return min(most, int(evidence.token_budget / (tokens_in + evidence.max_tokens)))


CANDIDATES: Final = StageCost(
    rows=_judged_users,
    seconds=lambda remaining: durations(remaining).candidates(),
    disk=candidate_bytes,
    memory=candidate_mib,
    pace="encoder",
)
JUDGEMENTS: Final = asked(_judged_users, Asking(judgement_task, judgement_sample), judgement_bytes)
SEMANTIC_NEGATIVES: Final = asked(
    lambda known: known.data.pairs(known.config.negatives.pairs_per_user),
    Asking(semantic_negative_task, negative_sample),
)
TEACHER: Final = StageCost(
    rows=lambda known: known.data.users,
    seconds=lambda remaining: durations(remaining).teacher(),
    disk=teacher_bytes,
    memory=teacher_mib,
    gpus=_trial_gpus,
    pace="trainings",
)
RECORDS: Final = StageCost(
    rows=lambda known: records(known.config, known.data),
    seconds=lambda remaining: durations(remaining).records(),
    disk=record_bytes,
)


def _tuning_tokens(remaining: Remaining) -> Tokens:
    config = remaining.config
    todo = steps(config, remaining.data) * remaining.rows / remaining.every
    return Tokens(tokens_in=round(todo * config.finetune.batch_size * remaining.found.query_tokens))


FINETUNE: Final = StageCost(
    rows=lambda known: steps(known.config, known.data) + _MEASUREMENTS,
    seconds=lambda remaining: durations(remaining).finetune(remaining.rows / max(1, remaining.every)),
    disk=finetune_bytes,
    memory=tuning_mib,
    gpus=lambda config: config.finetune.workers * config.finetune.gpus_per_worker,
    pace="tuning",
    tokens=_tuning_tokens,
)
FINETUNE_EVAL: Final = StageCost(
    rows=lambda _known: len(MEANINGS),
    seconds=lambda remaining: durations(remaining).finetune_eval(),
    disk=evaluation_bytes,
    memory=evaluation_mib,
    pace="tuning",
)
EMBEDDINGS: Final = StageCost(
    rows=lambda known: known.data.pairs(known.config.embeddings.pairs_per_user),
    seconds=lambda remaining: durations(remaining).embeddings(remaining.rows),
    disk=embedding_bytes,
    memory=embedding_mib,
    gpus=_engine_gpus,
    pace="tuning",
    prompts=lambda remaining: remaining.rows,
    tokens=lambda remaining: Tokens(tokens_in=round(remaining.rows * remaining.found.query_tokens)),
    basis=lambda remaining: f"tokens: real queries; {remaining.found.engine.source}",
)


def _pool_seconds(remaining: Remaining) -> float:
    return durations(remaining).negative_pool(remaining.data.pairs(remaining.config.negatives.pairs_per_user))


NEGATIVE_POOL: Final = StageCost(
    rows=lambda known: known.data.train, seconds=_pool_seconds, disk=pool_bytes, pace="encoder"
)
TRIALS: Final = StageCost(
    rows=lambda known: trials(known.config),
    seconds=lambda remaining: durations(remaining).trials(remaining.rows),
    disk=training_bytes,
    memory=sweep_mib,
    gpus=_sweep_gpus,
    pace="trainings",
)
RESULTS: Final = StageCost(
    rows=lambda known: refits(known.config),
    seconds=lambda remaining: durations(remaining).results(remaining.rows),
    disk=result_bytes,
    memory=sweep_mib,
    gpus=_sweep_gpus,
    pace="trainings",
)
FINAL_MODEL: Final = StageCost(
    rows=lambda known: known.data.users,
    seconds=lambda remaining: durations(remaining).final_model(),
    disk=model_bytes,
    memory=final_mib,
    gpus=_trial_gpus,
    pace="trainings",
)


def _listed(known: Known) -> int:
    """Return the rows of all lists, at most: those of users who have seen nearly everything may be shorter still."""
    return int(np.clip(known.data.items - known.data.per_user, 0, known.config.recommend.k).sum())


RECOMMENDATIONS: Final = StageCost(
    rows=_listed,
    seconds=lambda remaining: durations(remaining).recommendations(),
    disk=list_bytes,
    memory=list_mib,
)
