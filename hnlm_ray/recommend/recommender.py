"""Recommendations for one user at a time, from the published model: known users and new ones.

Vectors for users whom the model was not trained on, from their history: a linear map fitted on its own users.

A user's history becomes the mean of its items' vectors, normalised by the degrees of both sides as LightGCN
propagates (He et al. 2020, eq. 3); a ridge regression from these means to the model's users, in closed form, does the
rest. ``docs/recommend.md`` has the figures that this was chosen by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from hnlm_ray.recommend.model_tables import Ints, Matrix, ModelRows, read_bucket, read_items, seen_pairs
from hnlm_ray.recommend.ranking import Catalogue
from hnlm_ray.workspace import Workspace

FoldIn = npt.NDArray[np.float64]
"""float64[d, d]: a user's vector is the mean of the history times this."""
RIDGE: Final = 0.1
"""Times the mean squared size of a mean's component."""
_PAIRS: Final = 65_536
"""Pairs of a history and an item whose vectors are in memory at once."""


def history_means(items: ModelRows, rows: Ints, seen: Ints, users: int) -> npt.NDArray[np.float64]:
    """Return the degree-normalised mean of each history: the sum of v_i / sqrt(n_u n_i), float64[users, d].

    Parameters
    ----------
    items
        All items in index order; n_i is ``positives``. Cold ones are passed over.
    rows, seen
        int64[pairs] each: history ``rows[p]`` holds the item of index ``seen[p]``; n_u counts its items.

    Returns
    -------
    float64[users, d]
        Zeros where no item is known.
    """
    warm = ~items.cold[seen]
    rows, seen = rows[warm], seen[warm]
    size = np.bincount(rows, minlength=users)
    weight = 1 / np.sqrt(size[rows] * items.positives[seen].astype(np.float64))
    means = np.zeros((users, items.matrix.shape[1]))
    for start in range(0, len(rows), _PAIRS):
        block = slice(start, start + _PAIRS)
        vectors = items.matrix[seen[block]]
        sums = csr_array((weight[block], (rows[block], np.arange(len(vectors)))), shape=(users, len(vectors)))
        means += sums @ vectors
    return means


def fit_fold_in(parts: Iterable[tuple[npt.NDArray[np.float64], Matrix]], ridge: float = RIDGE) -> FoldIn:
    """Fit the map on parts (means, vectors) of the model's users, holding one part at a time.

    Least squares with a penalty on the distance to the multiple of the identity that fits best: with few users, or
    a large ``ridge``, a vector is the mean itself, scaled.

    Raises
    ------
    ValueError
        There is no part, or all means are zero.
    """
    sums = [(means.T @ means, means.T @ vectors) for means, vectors in parts]
    if not sums or not any(np.trace(inner) for inner, _ in sums):
        raise ValueError("there is no history to fit on")
    inner, outer = (np.sum(terms, axis=0) for terms in zip(*sums, strict=True))
    penalty = ridge * np.trace(inner) / len(inner) * np.eye(len(inner))
    scale = np.trace(outer) / np.trace(inner)
    found: FoldIn = np.linalg.solve(inner + penalty, outer + scale * penalty)
    return found


FITTED_USERS: Final = 20_000
"""Users that fold-in is fitted on, where there are as many: files are read until it has them."""


@dataclass(frozen=True)
class Recommended:
    """An item for a user; ``score`` is none where the item was chosen by its popularity."""

    item: int
    score: float | None


class Recommender:
    """The published model in memory: its items; users are read as they are asked for.

    With ``keeps_seen`` lists may hold what a user has chosen before.
    """

    def __init__(self, workspace: Workspace, *, keeps_seen: bool = False) -> None:
        self.workspace, self.keeps_seen = workspace, keeps_seen
        self.items: ModelRows = read_items(workspace)
        self.catalogue = Catalogue(self.items)
        self.all_seen = workspace.table("model_items").published().counts.get("train_on") == "all"

    def for_vector(self, vector: Matrix, seen: Sequence[int], k: int) -> list[Recommended]:
        """Return the k best items for a user's vector, float32[d], without those seen unless they are kept."""
        seen = () if self.keeps_seen else seen
        rows = np.zeros(len(seen), np.int64)
        found, scores = self.catalogue.best(vector[None], rows, np.asarray(seen, np.int64), k)
        return [
            Recommended(int(item), float(score)) for item, score in zip(found[0], scores[0], strict=True) if item >= 0
        ]

    def for_history(self, history: Sequence[int], k: int) -> list[Recommended]:
        """Fold in a user with this history, of at least one item that is not cold; returns the k best items."""
        seen = np.unique(np.asarray(history, np.int64))
        mean = history_means(self.items, np.zeros_like(seen), seen, 1)
        return self.for_vector((mean @ self.fold_in)[0].astype(np.float32), seen.tolist(), k)

    def popular(self, seen: Sequence[int], k: int) -> list[Recommended]:
        """Return the k items with most positives, as :meth:`for_vector`; of equals the lower index first."""
        seen = () if self.keeps_seen else seen
        order = np.lexsort((self.items.index, -self.items.positives))
        left = order[~np.isin(order, np.asarray(seen, np.int64)) & ~self.items.cold[order]]
        return [Recommended(int(item), None) for item in left[:k]]

    def warm(self, history: Sequence[int]) -> list[int]:
        """Return those items of a history that the model has learnt something of."""
        return [item for item in history if not self.items.cold[item]]

    @cached_property
    def fold_in(self) -> FoldIn:
        """The map from histories to vectors, fitted when it is first needed."""
        return fit_fold_in(self._histories())

    def _histories(self) -> Iterator[tuple[npt.NDArray[np.float64], Matrix]]:
        store, fitted = self.workspace.table("model_users"), 0
        for bucket in range(len(store.published().files)):
            users = read_bucket(store, bucket).part(0, FITTED_USERS - fitted)
            row, item = seen_pairs(self.workspace, bucket, users.index, all_seen=self.all_seen)
            yield history_means(self.items, row, item, len(users.index)), users.matrix
            fitted += len(users.index)
            if fitted >= FITTED_USERS:
                return
