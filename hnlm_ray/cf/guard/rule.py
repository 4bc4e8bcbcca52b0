"""The guard's rule inside the samplers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hnlm_ray.cf.data import CFData
from hnlm_ray.cf.guard.logits import false_negative_logits
from hnlm_ray.config import CFConfig

SEED: Final = 0


@dataclass(frozen=True)
class _Asked:
    """What a belief is asked of; ``key`` is the data themselves, or what they hold where others can hold the same."""

    key: CFData | bytes
    features: str
    data: CFData = field(compare=False)

    @classmethod
    def of(cls, data: CFData, features: str) -> _Asked:
        """Return what is asked: by 'cf' of the training positives alone, which a method and its pools share."""
        return cls(_content(data) if features == "cf" else data, features, data)


def _content(data: CFData) -> bytes:
    """Return a hash of sizes and training positives."""
    digest = hashlib.sha256(f"{data.users} {data.items}".encode())
    for array in (data.train.indptr, data.train.items):
        digest.update(np.ascontiguousarray(array))
    return digest.digest()


@lru_cache(maxsize=3)
def _logits(asked: _Asked) -> NDArray[np.float16]:
    # A tuner trains many models on the same data: the belief is made once for them.
    return false_negative_logits(asked.data, asked.features, SEED)


class Guard:
    """A sampler that takes the highest score takes the argmax over the candidates of s(u, j) - lambda std_j(s) g(u, j).

    std_j is the standard deviation of the user's scores over the candidates (divided by M), lambda is
    ``config.guard`` and g the row-standardised logit of :func:`false_negative_logits`. The belief depends
    on the data and ``config.guard_features`` alone, that of 'cf' on the training positives; the last three are kept in
    the process.
    """

    def __init__(self, data: CFData, config: CFConfig, device: torch.device) -> None:
        self.strength, self.items = config.guard, data.items
        self.logits = torch.from_numpy(_logits(_Asked.of(data, config.guard_features))).view(-1).to(device)

    def penalty(self, scores: Tensor, users: Tensor, candidates: Tensor) -> Tensor:
        """Return lambda * std_j(s) * g of each candidate, of the shape of ``scores``: [batch, M] or [batch, layers, M].

        ``scores`` float32; ``users`` int64[batch]; ``candidates`` int64[batch, M].
        """
        belief = self._beliefs(users, candidates)
        if scores.dim() > belief.dim():
            belief = belief.unsqueeze(1)
        return _deviation(scores).mul_(self.strength) * belief

    def hold_back(self, scores: Tensor, users: Tensor, candidates: Tensor) -> Tensor:
        """Return the guarded scores, the scores less the :meth:`penalty`."""
        return scores - self.penalty(scores, users, candidates)

    def _beliefs(self, users: Tensor, candidates: Tensor) -> Tensor:
        """Return g of each candidate, float32[batch, M]."""
        cells = torch.add(candidates, users.unsqueeze(1), alpha=self.items)
        # index_select on a flat table is twice as fast as indexing.
        return self.logits.index_select(0, cells.view(-1)).view_as(cells).float()


def _deviation(scores: Tensor) -> Tensor:
    """Return the deviation of each row, [..., 1]; over rows of some candidates ten times as fast as Tensor.std."""
    apart = scores - scores.mean(-1, keepdim=True)
    return apart.square_().mean(-1, keepdim=True).sqrt_()
