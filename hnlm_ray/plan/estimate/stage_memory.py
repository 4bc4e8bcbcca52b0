"""Memory of stages' workers in MiB, all of a stage together, from the sizes of the run."""

from __future__ import annotations

from typing import Final

from hnlm_ray.methods.known import RunMethods
from hnlm_ray.plan.estimate.memory import MIB, engine_mib, finetune_mib, training_mib
from hnlm_ray.plan.estimate.stage_cost import Remaining

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
    from hnlm_ray.cf.guard.beliefs import beliefs_bytes
    from hnlm_ray.cf.guard.rule import KEPT
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
