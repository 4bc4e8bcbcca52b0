"""The guard's rule inside the samplers."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.kept import Array, Kept, content_of
from hnlm_ray.cf.guard.beliefs import DenseBeliefs, HighestBeliefs, open_beliefs
from hnlm_ray.cf.guard.logits import fit_false_negatives
from hnlm_ray.config import CFConfig

SEED: Final = 0
KEPT: Final = 3
"""Beliefs that a process keeps."""


_BELIEFS: Final = Kept[DenseBeliefs | HighestBeliefs](KEPT)


def _content(data: CFData, features: str, *settings: object) -> bytes:
    """Return a hash of sizes, settings and all arrays that the features, and what is held out of them, rest on."""
    read: list[Array | None] = [data.train.indptr, data.train.items]
    read += [data.item_text if features != "cf" else None]
    read += _told(data) if features == "full" else []
    if data.judgements is not None:
        read += [data.judgements.pairs.indptr, data.judgements.pairs.items, data.judgements.verdicts]
    return content_of((data.users, data.items, features, *settings), read)


def _told(data: CFData) -> list[Array | None]:
    """Return what the group 'llm' rests on; none where the data has none of it."""
    source, vectors = data.user_text_from, data.vectors
    pairs = [None, None] if source is None else [source.indptr, source.items]
    if vectors is None:
        return [data.user_text, *pairs]
    return [data.user_text, *pairs, vectors.vectors, vectors.row, vectors.anchors, vectors.anchored]


def _open(data: CFData, config: CFConfig, device: torch.device) -> DenseBeliefs | HighestBeliefs:
    return open_beliefs(fit_false_negatives(data, config.guard_features, SEED, config.belief), data).to(device)


class Guard:
    """A sampler that takes the highest score takes the argmax over the candidates of s(u, j) - lambda std_j(s) g(u, j).

    std_j is the standard deviation of the user's scores over the candidates (divided by M), lambda is
    ``config.guard`` and g the row-standardised logit of the false-negative model (:mod:`hnlm_ray.cf.guard.logits`).
    The belief depends on the data, ``config.guard_features`` and ``config.belief`` alone; the last three are kept in
    the process, for data that differ in their pools alone too.
    """

    def __init__(self, data: CFData, config: CFConfig, device: torch.device) -> None:
        self.strength = config.guard
        # A tuner trains many models on the same data: the belief is made once for them.
        # By content, not by which object it is: data can differ in their pools alone.
        content = _content(data, config.guard_features, config.belief.model_dump_json(), device)
        self.beliefs = _BELIEFS.get(content, lambda: _open(data, config, device))

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
