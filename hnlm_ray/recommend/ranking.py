"""The best items of some users: pure functions, a block of scores at a time."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from hnlm_ray.cf import EmbeddingScores, Positives, top_items
from hnlm_ray.recommend.model_tables import Ints, Matrix, ModelRows
from hnlm_ray.workspace.tables import TABLES

SCORE_BYTES: Final = 64 * 2**20
"""Of a block of scores, users by items: what bounds the memory of a worker."""


def users_per_block(items: int) -> int:
    """Return how many users' float32 scores of all items fit into :data:`SCORE_BYTES`; at least one's."""
    return max(1, SCORE_BYTES // (4 * max(items, 1)))


class Catalogue:
    """The items that can be recommended: all but the cold ones.

    A cold item has no positive in what the model was trained on, so its vector is the noise that it started with.

    Attributes
    ----------
    index
        int64[n], their dense indices, rising.
    vectors
        float32[n, d], a tensor on ``device``.
    place
        int64[items], an item's row in ``vectors``; -1 for a cold one.
    """

    def __init__(self, items: ModelRows, device: str = "cpu") -> None:
        self.index = items.index[~items.cold]
        self.place = np.where(items.cold, -1, np.cumsum(~items.cold) - 1)
        self.vectors = torch.tensor(items.matrix[~items.cold], device=device)

    def best(self, users: Matrix, rows: Ints, seen: Ints, k: int) -> tuple[npt.NDArray[np.int32], Matrix]:
        """Return the k best items of each user by dot product, without those seen; of equals the lower index first.

        Parameters
        ----------
        users
            float32[n, d].
        rows, seen
            int64[pairs] each: user ``rows[p]`` of ``users`` has seen the item of dense index ``seen[p]``.

        Returns
        -------
        int32[n, k], float32[n, k]
            Items and scores; item -1 where a user has seen all but fewer than k.

        Raises
        ------
        DivergedError
            A vector is not finite.
        """
        place = self.place[seen]
        masked = Positives.from_pairs(rows[place >= 0], place[place >= 0], len(users))
        vectors = torch.tensor(users, device=self.vectors.device)
        block = users_per_block(len(self.index))
        scorer = EmbeddingScores(vectors, self.vectors)
        found, scores = top_items(scorer, np.arange(len(users)), [masked], k, users_per_block=block)
        return np.where(found >= 0, self.index[found], -1).astype(np.int32), scores


def list_lengths(seen: Ints, warm: int, k: int) -> Ints:
    """Return how many items each user gets: k, or all unseen ones; ``seen`` int64[n] counts warm items."""
    return np.minimum(k, warm - seen)


def recommendation_rows(users: Ints, items: npt.NDArray[np.int32], scores: Matrix) -> pa.Table:
    """Return rows of ``recommendations`` from lists [n, k], by user and rank; places without an item are left out."""
    there = items >= 0
    rank = np.broadcast_to(np.arange(1, items.shape[1] + 1, dtype=np.int32), items.shape)
    user = np.broadcast_to(users[:, None].astype(np.int32), items.shape)
    return pa.table([user[there], rank[there], items[there], scores[there]], schema=TABLES["recommendations"])
