"""Memory of each stage's workers, from the sizes of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from hnlm_ray.plan.gathering import Found, Task
from hnlm_ray.plan.memory import MIB, engine_mib, finetune_mib, training_mib
from hnlm_ray.plan.sampling import LLM_STAGES
from hnlm_ray.tune.methods import RunMethods

_FLOAT: Final = 4
_SQUARES: Final = 5
"""Matrices of items x items in float32: the Gram in double precision while it is solved, and three weights."""


def stage_memory(task: Task, found: Found, name: str) -> float | None:
    """Return MiB of all workers of a stage together; None where it is little, elsewhere, or not known."""
    return _asking(task, found, name) if name in LLM_STAGES else _OTHERS.get(name, _little)(task, found)


def _little(_task: Task, _found: Found) -> None:
    return None


def _asking(task: Task, found: Found, name: str) -> float | None:
    if task.shape is None:
        return None
    from hnlm_ray.llm.vllm_engine import fitting_dtype

    return engine_mib(task.config, task.shape, fitting_dtype(task.config.llm), sum(found.answers[name].means))


def _candidates(task: Task, _found: Found) -> float:
    return _SQUARES * task.data.items**2 * _FLOAT / MIB


def _teacher(task: Task, _found: Found) -> float:
    return training_mib(task.config.teacher.cf, task.data, 1)


def _finetune(task: Task, found: Found) -> float | None:
    return finetune_mib(task.config, task.tuned, found.query_tokens) if task.tuned else None


def _evaluation(task: Task, _found: Found) -> float | None:
    return 2 * task.tuned.parameters * _FLOAT / MIB if task.tuned else None  # tuned and untuned


def _embeddings(task: Task, found: Found) -> float | None:
    if task.tuned is None:
        return None
    return engine_mib(task.config, task.tuned, task.config.embeddings.dtype, found.query_tokens)


def _trainings(task: Task, _found: Found) -> float:
    settings = task.config.tune
    return training_mib(task.config.cf, task.data, settings.concurrent) + settings.concurrent * _kept(task)


def _kept(task: Task) -> float:
    """Return MiB of what methods keep beside the model: a guard's beliefs or a teacher's scores, and item weights."""
    from hnlm_ray.cf.ease import MOST_ITEMS
    from hnlm_ray.cf.guard.beliefs import beliefs_bytes
    from hnlm_ray.cf.guard.rule import KEPT
    from hnlm_ray.cf.semantic_teacher import kept_bytes

    users, items, kept = task.data.users, task.data.items, [0.0]
    weights = _SQUARES * items**2 * _FLOAT if items <= MOST_ITEMS else 0
    for method in RunMethods.of(task.config.tune).chosen.values():
        drawn = {*method.space, *(name for name, value in method.fixed.items() if value not in {0, "none"})}
        if "guard" in drawn:
            kept.append(weights + KEPT * beliefs_bytes(users, items))
        if drawn & {"fusion", "softmax.distill"}:
            kept.append(weights + kept_bytes(users, items))
        if method.model == "ease":
            kept.append(weights)
    return max(kept) / MIB


def _final(task: Task, _found: Found) -> float:
    return training_mib(task.config.cf, task.data, 1)


def _lists(task: Task, _found: Found) -> float:
    return (task.data.users + task.data.items) * task.config.cf.dim * _FLOAT / MIB


_OTHERS: Final[Mapping[str, Callable[[Task, Found], float | None]]] = {
    "candidates": _candidates,
    "teacher": _teacher,
    "finetune": _finetune,
    "finetune_eval": _evaluation,
    "embeddings": _embeddings,
    "trials": _trainings,
    "results": _trainings,
    "final_model": _final,
    "recommendations": _lists,
}
