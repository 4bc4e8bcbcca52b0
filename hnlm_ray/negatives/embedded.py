"""From the vector of a negative to catalogue items: the nearest in the teacher's space."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.negatives.grounding import Grounded
from hnlm_ray.teacher.vectors import Matrix, Vectors
from hnlm_ray.workspace.training_data import UserHistory

SOURCE = "embedding"
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Embedded:
    """A negative in embedding form: its unit vector in the teacher's space, and the items nearest to it."""

    vector: Matrix
    items: tuple[Grounded, ...]


class TeacherCatalogue:
    """The teacher's item vectors; items without one are nobody's negative."""

    def __init__(self, items: Vectors) -> None:
        self._unit = items.matrix / np.maximum(np.linalg.norm(items.matrix, axis=1, keepdims=True), 1e-12)
        self._there = items.there

    def nearest(self, vector: Matrix, positives: Collection[int], size: int) -> tuple[Grounded, ...]:
        """Return the ``size`` nearest items that are no training positives of the user, by cosine, above 0."""
        cosines = np.where(self._there, self._unit @ vector, -1.0)
        cosines[list(positives)] = -1.0
        first = np.lexsort((np.arange(len(cosines)), -cosines))[:size]
        return tuple(Grounded(int(item), float(cosines[item]), SOURCE) for item in first if cosines[item] > 0)


def embedded_negatives(
    rows: pa.Table, users: Mapping[int, UserHistory], catalogue: TeacherCatalogue, size: int
) -> dict[Pair, Embedded]:
    """Return the negatives of the pairs of ``negative_embeddings`` that have a vector, by (user, item)."""
    rows = rows.filter(pc.equal(rows["status"], "ok"))
    found = {}
    for user, item, values in zip(*(rows[name].to_pylist() for name in ("user", "item", "vector")), strict=True):
        vector = np.asarray(values, dtype=np.float32)
        found[user, item] = Embedded(vector, catalogue.nearest(vector, set(users[user].items), size))
    return found
