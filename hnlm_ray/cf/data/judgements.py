"""What an LLM said of (user, item) pairs: whether the user would want the item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.positives import Positives


@dataclass(frozen=True, eq=False)
class Judgements:
    """Verdicts, sorted by user and item.

    Attributes
    ----------
    pairs
        The judged pairs.
    verdicts
        float32[pairs] in -1 (doesn't want it) to 1 (wants it).
    """

    pairs: Positives
    verdicts: NDArray[np.float32]

    @classmethod
    def from_pairs(cls, users: ArrayLike, items: ArrayLike, verdicts: ArrayLike, n_users: int) -> Judgements:
        """Sort verdicts of (user, item) pairs.

        InputError for a pair that occurs twice, a verdict outside -1..1, or columns of several lengths.
        """
        user, item, said = np.asarray(users), np.asarray(items), np.asarray(verdicts, np.float32)
        if not user.shape == item.shape == said.shape:
            shapes = f"{user.shape}, {item.shape} and {said.shape}"
            raise InputError(f"users, items and verdicts have shapes {shapes}; give one verdict a pair")
        if len(said) and not (np.abs(said) <= 1).all():  # not: NaN too
            raise InputError("a verdict is outside -1..1; give 1 for wanted and -1 for not wanted")
        order = np.lexsort((item, user))
        return cls(Positives.from_pairs(user, item, n_users), said[order])

    def rows(self, users: NDArray[np.int64], items: int) -> NDArray[np.float32]:
        """Return the verdicts of some users, float32[n, items]; 0 where nothing was judged."""
        lengths, starts = self.pairs.degree[users], self.pairs.indptr[users]
        row = np.repeat(np.arange(len(users)), lengths)
        place = np.arange(len(row)) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
        found = np.zeros((len(users), items), np.float32)
        found[row, self.pairs.items[place]] = self.verdicts[place]
        return found

    def without(self, positives: Positives, items: int) -> Judgements:
        """Return the verdicts of pairs that are none of ``positives``."""
        users, judged = self.pairs.pairs()
        left = positives.edges(users, judged, items) < 0
        return Judgements.from_pairs(users[left], judged[left], self.verdicts[left], self.pairs.n_users)
