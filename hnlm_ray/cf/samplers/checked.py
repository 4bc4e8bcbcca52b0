"""What a sampler of another package gives is looked at once, before a training rests on it."""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.samplers.base import HopNegatives, Negatives, Sampler, SharedNegatives


def check_negatives(name: str, given: object, sampler: Sampler, batch: Batch, items: int) -> None:
    """Raise InputError, which names the sampler, where a training can't use what it gave for a batch.

    Parameters
    ----------
    items
        How many items the catalogue has.
    """
    kinds = (HopNegatives,) if sampler.reads == "hops" else (Negatives, SharedNegatives)
    if not isinstance(given, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise InputError(f"cf.sampler {name} gives {type(given).__name__}; what reads {sampler.reads!r} gives {wanted}")
    if isinstance(given, Negatives) and given.vector_rows is not None and not sampler.adapts_vectors:
        raise InputError(f"cf.sampler {name} gives vector_rows and there is no adapter; set its adapts_vectors true")
    if not _are_items(given.items, len(batch.users), items):
        raise InputError(
            f"cf.sampler {name} gives {_told(given.items)} for {len(batch.users)} pairs; "
            f"give int64 indices from 0 to {items - 1}, a row or a number for each pair"
        )


def _are_items(given: object, pairs: int, items: int) -> bool:
    if not isinstance(given, Tensor) or given.dtype != torch.int64 or given.dim() not in {1, 2} or len(given) != pairs:
        return False
    return given.numel() > 0 and bool(((given >= 0) & (given < items)).all())


def _told(given: object) -> str:
    if not isinstance(given, Tensor):
        return type(given).__name__
    bounds = f" from {given.min().item():g} to {given.max().item():g}" if given.numel() else ""
    return f"{str(given.dtype).removeprefix('torch.')}{list(given.shape)}{bounds}"
