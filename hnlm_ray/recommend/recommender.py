"""Recommendations for one user at a time, from the published model: known users and new ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from hnlm_ray.recommend.fold_in import FoldIn, fit_fold_in, history_means
from hnlm_ray.recommend.model_tables import Matrix, ModelRows, read_bucket, read_items, seen_pairs
from hnlm_ray.recommend.ranking import Catalogue
from hnlm_ray.workspace import Workspace

FITTED_USERS: Final = 20_000
"""Users that fold-in is fitted on, where there are as many: files are read until it has them."""


@dataclass(frozen=True)
class Recommended:
    """An item for a user; ``score`` is none where the item was chosen by its popularity."""

    item: int
    score: float | None


class Recommender:
    """The published model in memory: its items; users are read as they are asked for."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.items: ModelRows = read_items(workspace)
        self.catalogue = Catalogue(self.items)
        self.all_seen = workspace.table("model_items").published().counts.get("train_on") == "all"

    def for_vector(self, vector: Matrix, seen: Sequence[int], k: int) -> list[Recommended]:
        """Return the k best unseen items for a user's vector, float32[d]."""
        rows = np.zeros(len(seen), np.int64)
        found, scores = self.catalogue.best(vector[None], rows, np.asarray(seen, np.int64), k)
        return [
            Recommended(int(item), float(score)) for item, score in zip(found[0], scores[0], strict=True) if item >= 0
        ]

    def for_history(self, history: Sequence[int], k: int) -> list[Recommended]:
        """Fold in a user with this history, of at least one item that is not cold; returns the k best other items."""
        seen = np.unique(np.asarray(history, np.int64))
        mean = history_means(self.items, np.zeros_like(seen), seen, 1)
        return self.for_vector((mean @ self.fold_in)[0].astype(np.float32), seen.tolist(), k)

    def popular(self, seen: Sequence[int], k: int) -> list[Recommended]:
        """Return the k unseen items with most positives; of equals the lower index first."""
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
