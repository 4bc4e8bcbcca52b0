"""What every negative sampler takes and gives.

What a sampler of another package gives is looked at once, before a training rests on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.config import CFConfig


@dataclass(frozen=True)
class Negatives:
    """Negatives of each pair: ``mix * hard + (1 - mix) * e[items]``.

    ``items`` are the sampled ones, int64[batch], or int64[batch, n] where each pair has n. Hard is
    ``e[pool_items]`` (int64[batch]) or what the adapter makes of the vectors of ``vector_rows`` (int64[batch],
    -1: none). Both and ``mix`` float32[batch] are none where the sampler has no such thing; ``mix`` is 0 for a
    pair without. ``log_q``, of the shape of ``items``, is the log of each item's odds to be drawn, and
    ``positive_log_q`` float32[batch] that of the positives; none: all equal.
    """

    items: Tensor
    pool_items: Tensor | None = None
    vector_rows: Tensor | None = None
    mix: Tensor | None = None
    log_q: Tensor | None = None
    positive_log_q: Tensor | None = None


@dataclass(frozen=True)
class SharedNegatives:
    """The positives of a batch as negatives of each other: ``items`` int64[batch] are those of the batch, in order.

    ``log_q`` float32[batch] as in :class:`Negatives`; ``allowed`` bool[batch, batch]: no training positive of the user.
    """

    items: Tensor
    log_q: Tensor
    allowed: Tensor


@dataclass(frozen=True)
class HopNegatives:
    """A negative made of the positive and of one item a layer: e~_l = share * e_i,l + (1 - share) * e_h(l),l.

    ``items`` int64[batch, hops] are the h(l); ``share`` float32[batch, hops, dim or 1] is that of the positive and
    carries no gradient. The final negative is the mean of e~_l over the hops, as the encoder's own.
    """

    items: Tensor
    share: Tensor


AnyNegatives = Negatives | SharedNegatives | HopNegatives


@dataclass(frozen=True)
class SamplerInputs:
    """What a sampler is built from; the pool draws from its own stream, so alpha 0 equals its base sampler.

    ``count`` is how many negatives a pair needs: none: one, as int64[batch]; else int64[batch, count].
    """

    data: CFData
    config: CFConfig
    generator: torch.Generator
    pool_generator: torch.Generator
    device: torch.device
    count: int | None = None


class Sampler:
    """Draws negatives for the pairs of a batch. What a sampler needs, a subclass says; it is built from the inputs.

    Attributes
    ----------
    reads
        What :meth:`sample` is given beside the batch: nothing (its draws depend on nothing that is trained, and
        ``embeddings`` is not looked at), the final embeddings, or those of each layer: such a sampler mixes layers, so
        it gives :class:`HopNegatives`.
    reads_settings
        The settings within ``cf`` that not every sampler reads, such as ``candidates``; a section stands for all of it.
    chooses_among_candidates
        Whether it takes its negatives from candidates, which can be guarded and come from a pool.
    mixes
        Whether it mixes a hard part into an item of ``config.base_sampler``.
    adapts_vectors
        Whether that part is a pair's vector: the training then has an adapter.
    draws_by_text
        Whether what an LLM or an encoder says decides what it draws, without a guard and a pool's share.
    for_sampled_softmax
        Whether the loss sampled_softmax can use what it gives: draws with known odds, or those of the batch.
    plugs_in_as, must_define, READS
        For a configuration that names a class of another package: what setting may, what it must define, and the values
        of ``reads``.
    manner
        How it draws, for a table of samplers where :meth:`words` has nothing to say; empty: its name is shown.
    """

    plugs_in_as: ClassVar[str] = "cf.sampler"
    must_define: ClassVar[tuple[str, ...]] = ("sample",)
    READS: ClassVar[tuple[str, ...]] = ("nothing", "final", "hops")
    reads: ClassVar[Literal["nothing", "final", "hops"]] = "final"
    reads_settings: ClassVar[tuple[str, ...]] = ()
    chooses_among_candidates: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    adapts_vectors: ClassVar[bool] = False
    draws_by_text: ClassVar[bool] = False
    for_sampled_softmax: ClassVar[bool] = False
    manner: ClassVar[str] = ""

    def __init__(self, inputs: SamplerInputs) -> None:
        pass

    @classmethod
    def open(cls, inputs: SamplerInputs) -> Sampler:
        """Return the sampler for these inputs: one of this class, or what a loss needs in its place."""
        return cls(inputs)

    @classmethod
    def words(cls, config: CFConfig) -> list[str]:
        """Return the settings that its negatives depend on in a few words each, such as 'M 8'."""
        del config
        return []

    def sample(self, batch: Batch, embeddings: Tensor) -> AnyNegatives:
        """Draw negatives; ``embeddings`` are the current ones, float32[users + items, (hops,) dim], no gradient."""
        raise NotImplementedError

    def end_epoch(self, final: Tensor) -> None:
        """Take notice of the final embeddings after an epoch, float32[users + items, dim] (not to be kept uncopied)."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs beside the random streams: tensors and numbers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""


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
