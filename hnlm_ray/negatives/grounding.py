"""From a negative to catalogue items: of its text (exact title, similar title, nearest), or of its vector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.cf.kernels.neighbours import centred, mean_text, unit_rows
from hnlm_ray.config import NegativesConfig
from hnlm_ray.negatives.titles import TitleIndex
from hnlm_ray.teacher.vectors import Matrix, Vectors
from hnlm_ray.workspace.training_data import UserHistory

LEAST_COSINE = 1e-3
GROUNDING_COUNTS = (
    "texts",
    "named_by_title",
    "exact_title",
    "fuzzy_title",
    "nearest_by_vector",
    "ungrounded",
    "repeat_training_positive",
    "out_of_catalogue",
)
"""What is counted of texts, in the order in which it is told."""


@dataclass(frozen=True)
class Grounded:
    """One catalogue item that a text stands for."""

    item: int
    weight: float
    source: str


@dataclass(frozen=True)
class Grounding:
    """What became of one text: its items by rank (none: ungrounded), and whether it names a training positive."""

    items: tuple[Grounded, ...]
    met_positive: bool

    @property
    def found_by(self) -> str:
        """How the first item was found, or 'ungrounded'."""
        return self.items[0].source if self.items else "ungrounded"

    @property
    def verdict(self) -> str:
        """How the first item was found; without any 'training_positive' (it names one) or 'ungrounded'."""
        return "training_positive" if self.met_positive and not self.items else self.found_by


class Catalogue:
    """Titles and vectors of all items, by index.

    Parameters
    ----------
    titles
        One title an item; empty where unknown.
    vectors
        What the encoder makes of their descriptions, float32 [items, d].
    years
        As in :class:`~hnlm_ray.negatives.titles.TitleIndex`.

    Attributes
    ----------
    vectors
        The same less their mean, at unit length: descriptions of one catalogue share a direction, to which words that
        name nothing ("the movie") are near.
    """

    def __init__(self, titles: Sequence[str], vectors: Matrix, years: Sequence[str | None] | None = None) -> None:
        self._titles = TitleIndex(titles, years)
        self._mean = mean_text(vectors)
        self.vectors = unit_rows(centred(vectors, self._mean))

    def ground(self, text: str, vector: Matrix, positives: Collection[int], config: NegativesConfig) -> Grounding:
        """Ground one text for one user; the user's training positives are never the answer.

        An item found by its title has weight 1, all others ``config.nearest_weight`` times their cosine to the text.
        A text that names a training positive names no other item, be there others of the same title: the items are
        those nearest to the text.
        """
        named, source = self._titles.named(text, config.fuzzy_score)
        met_positive = any(item in positives for item in named)
        first = [Grounded(named[0], 1.0, source)] if named and not met_positive else []
        passed = {*positives, *named} if met_positive else {*positives, *named[:1]}
        cosines = self.vectors @ unit_rows(centred(vector[None], self._mean))[0]
        return Grounding((*first, *_nearest(cosines, passed, first, config)), met_positive)


def _nearest(cosines: Matrix, passed: set[int], first: Sequence[Grounded], config: NegativesConfig) -> list[Grounded]:
    """Return what fills the pool after ``first``: the items that are nearest, but for those that are passed over."""
    wanted = min(config.pool_size + len(passed), len(cosines))
    nearest = np.argpartition(-cosines, wanted - 1)[:wanted]
    ranked = [int(item) for item in nearest[np.lexsort((nearest, -cosines[nearest]))] if int(item) not in passed]
    near = [item for item in ranked if cosines[item] >= config.nearest_cosine][: config.pool_size - len(first)]
    return [
        Grounded(
            item,
            config.nearest_weight * max(float(cosines[item]), LEAST_COSINE),
            "neighbour" if first or rank else "nearest",
        )
        for rank, item in enumerate(near)
    ]


def grounding_counts(groundings: Sequence[Grounding]) -> Counter[str]:
    """Count texts by how they were grounded, in the order of ``GROUNDING_COUNTS``.

    ``named_by_title``: its first item was found by its title, exact or similar. ``repeat_training_positive``: it names
    an item that its user has. ``out_of_catalogue``: it is no title. These three are all texts; so are
    ``named_by_title``, ``nearest_by_vector`` and ``ungrounded``.
    """
    counts: Counter[str] = Counter(dict.fromkeys(GROUNDING_COUNTS, 0))
    found = Counter(grounding.found_by for grounding in groundings)
    counts["texts"] = len(groundings)
    counts["exact_title"], counts["fuzzy_title"] = found["exact"], found["fuzzy"]
    counts["named_by_title"] = found["exact"] + found["fuzzy"]
    counts["nearest_by_vector"], counts["ungrounded"] = found["nearest"], found["ungrounded"]
    counts["repeat_training_positive"] = sum(grounding.met_positive for grounding in groundings)
    counts["out_of_catalogue"] = counts["texts"] - counts["named_by_title"] - counts["repeat_training_positive"]
    return counts


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
