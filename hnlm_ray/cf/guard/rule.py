"""The guard's rule inside the samplers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from hnlm_ray.cf.data import CFData
from hnlm_ray.cf.guard.beliefs import DenseBeliefs, HighestBeliefs, open_beliefs
from hnlm_ray.cf.guard.logits import fit_false_negatives
from hnlm_ray.config import CFConfig
from hnlm_ray.config.cf_parts import BeliefConfig

SEED: Final = 0
KEPT: Final = 3
"""Beliefs that a process keeps."""


@dataclass(frozen=True)
class _Asked:
    """What a belief is asked of: ``content`` is a hash of what it reads, for data can differ in their pools alone."""

    content: bytes
    features: str
    belief: BeliefConfig
    data: CFData = field(compare=False)

    @classmethod
    def of(cls, data: CFData, config: CFConfig) -> _Asked:
        """Return what a training asks for."""
        return cls(_content(data, config.guard_features), config.guard_features, config.belief, data)


def _content(data: CFData, features: str) -> bytes:
    """Return a hash of sizes and of all arrays that the features, and what is held out of them, rest on."""
    digest = hashlib.sha256(f"{data.users} {data.items}".encode())
    read: list[np.ndarray[Any, Any] | None] = [data.train.indptr, data.train.items]
    read += [data.item_text if features != "cf" else None]
    read += _told(data) if features == "full" else []
    if data.judgements is not None:
        read += [data.judgements.pairs.indptr, data.judgements.pairs.items, data.judgements.verdicts]
    for array in read:
        digest.update(b"none" if array is None else f"{array.dtype} {array.shape}".encode())
        digest.update(b"" if array is None else np.ascontiguousarray(array).data)
    return digest.digest()


def _told(data: CFData) -> list[np.ndarray[Any, Any] | None]:
    """Return what the group 'llm' rests on; none where the data has none of it."""
    source, vectors = data.user_text_from, data.vectors
    pairs = [None, None] if source is None else [source.indptr, source.items]
    if vectors is None:
        return [data.user_text, *pairs]
    return [data.user_text, *pairs, vectors.vectors, vectors.row, vectors.anchors, vectors.anchored]


@lru_cache(maxsize=KEPT)
def _beliefs(asked: _Asked, device: torch.device) -> DenseBeliefs | HighestBeliefs:
    # A tuner trains many models on the same data: the belief is made once for them.
    return open_beliefs(fit_false_negatives(asked.data, asked.features, SEED, asked.belief), asked.data).to(device)


class Guard:
    """A sampler that takes the highest score takes the argmax over the candidates of s(u, j) - lambda std_j(s) g(u, j).

    std_j is the standard deviation of the user's scores over the candidates (divided by M), lambda is
    ``config.guard`` and g the row-standardised logit of the false-negative model (:mod:`hnlm_ray.cf.guard.logits`).
    The belief depends on the data, ``config.guard_features`` and ``config.belief`` alone; the last three are kept in
    the process, for data that differ in their pools alone too.
    """

    def __init__(self, data: CFData, config: CFConfig, device: torch.device) -> None:
        self.strength = config.guard
        self.beliefs = _beliefs(_Asked.of(data, config), device)

    def penalty(self, scores: Tensor, users: Tensor, candidates: Tensor) -> Tensor:
        """Return lambda * std_j(s) * g of each candidate, of the shape of ``scores``: [batch, M] or [batch, layers, M].

        ``scores`` float32; ``users`` int64[batch]; ``candidates`` int64[batch, M].
        """
        belief = self.beliefs.at(users, candidates)
        if scores.dim() > belief.dim():
            belief = belief.unsqueeze(1)
        return _deviation(scores).mul_(self.strength) * belief

    def hold_back(self, scores: Tensor, users: Tensor, candidates: Tensor) -> Tensor:
        """Return the guarded scores, the scores less the :meth:`penalty`."""
        return scores - self.penalty(scores, users, candidates)


def _deviation(scores: Tensor) -> Tensor:
    """Return the deviation of each row, [..., 1]; over rows of some candidates ten times as fast as Tensor.std."""
    apart = scores - scores.mean(-1, keepdim=True)
    return apart.square_().mean(-1, keepdim=True).sqrt_()
