"""The guard's rule inside the samplers.

The beliefs of all users, to be looked up for candidates: a dense table, or of many cells each user's highest.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.kept import Array, Kept, content_of
from hnlm_ray.cf.guard.logits import FalseNegatives, fit_false_negatives
from hnlm_ray.cf.guard.questions import blocks
from hnlm_ray.config import CFConfig

DENSE_CELLS: Final = 2**27
"""users x items up to which all are kept, float16: 256 MiB."""
SPARSE_CELLS: Final = 2**26
"""Beliefs kept above it, int32 and float16 each: 384 MiB."""


class DenseBeliefs:
    """g of every cell."""

    def __init__(self, found: FalseNegatives, data: CFData) -> None:
        rows = [found.beliefs(users).astype(np.float16) for users in blocks(data)]
        self.items, self.table = data.items, torch.from_numpy(np.concatenate(rows)).view(-1)

    def to(self, device: torch.device) -> DenseBeliefs:
        """Move the table."""
        self.table = self.table.to(device)
        return self

    def at(self, users: Tensor, candidates: Tensor) -> Tensor:
        """Return g, float32[batch, M], of ``users`` int64[batch] and ``candidates`` int64[batch, M]."""
        cells = torch.add(candidates, users.unsqueeze(1), alpha=self.items)
        # index_select on a flat table is twice as fast as indexing.
        return self.table.index_select(0, cells.view(-1)).view_as(cells).float()


class HighestBeliefs:
    """g of the items that each user is most believed to like; all others have the mean of what is left out.

    What a guard holds back are the highest, so little is lost; a row's kept items are its ``width`` highest.
    """

    def __init__(self, found: FalseNegatives, data: CFData, width: int) -> None:
        parts = [_highest(torch.from_numpy(found.beliefs(users)), width) for users in blocks(data)]
        self.items, self.values, self.rest = (torch.cat(list(column)) for column in zip(*parts, strict=True))

    def to(self, device: torch.device) -> HighestBeliefs:
        """Move the table."""
        self.items, self.values, self.rest = (part.to(device) for part in (self.items, self.values, self.rest))
        return self

    def at(self, users: Tensor, candidates: Tensor) -> Tensor:
        """Return g, float32[batch, M], of ``users`` int64[batch] and ``candidates`` int64[batch, M]."""
        kept, wanted = self.items.index_select(0, users), candidates.to(torch.int32)
        place = torch.searchsorted(kept, wanted).clamp_(max=kept.shape[1] - 1)
        found = self.values.index_select(0, users).gather(1, place).float()
        return torch.where(kept.gather(1, place) == wanted, found, self.rest.index_select(0, users).unsqueeze(1))


def _highest(rows: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the items (rising) and values of the highest in each row, and the mean of the others."""
    values, items = rows.topk(width, dim=1)
    left = (rows.sum(1) - values.sum(1)) / max(1, rows.shape[1] - width)
    items, order = items.sort(dim=1)
    return items.to(torch.int32), values.gather(1, order).to(torch.float16), left


def open_beliefs(found: FalseNegatives, data: CFData) -> DenseBeliefs | HighestBeliefs:
    """Return the beliefs of all users in the form that fits their number."""
    if data.users * data.items <= DENSE_CELLS:
        return DenseBeliefs(found, data)
    return HighestBeliefs(found, data, kept_width(data.users, data.items))


def kept_width(users: int, items: int) -> int:
    """Return how many items of each user are kept where not all are."""
    return min(items, max(1, SPARSE_CELLS // users))


def beliefs_bytes(users: int, items: int) -> int:
    """Return the bytes of the table that a guard keeps."""
    if users * items <= DENSE_CELLS:
        return 2 * users * items
    return users * (6 * kept_width(users, items) + 4)


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
