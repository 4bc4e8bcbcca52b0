"""From the text of a negative to catalogue items: exact title, similar title, nearest by embedding."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process

from hnlm_ray.config import NegativesConfig

Vectors = npt.NDArray[np.float32]
GROUNDING_COUNTS = (
    "texts",
    "grounded",
    "exact",
    "fuzzy",
    "nearest",
    "ungrounded",
    "out_of_catalogue",
    "met_training_positive",
)
_YEAR = re.compile(r"\(\d{4}\)\s*$")
_ARTICLE = re.compile(r"^(.*), (the|a|an|les?|la|il|der|die|das|el)$")
_NO_WORD = re.compile(r"[^\w]+")


def normalised_title(title: str) -> str:
    """Fold case, accents, punctuation, a trailing year and a trailing article ("Matrix, The (1999)")."""
    folded = unicodedata.normalize("NFKD", title).casefold()
    folded = "".join(char for char in folded if not unicodedata.combining(char))
    folded = _ARTICLE.sub(r"\2 \1", _YEAR.sub("", folded).strip())
    return _NO_WORD.sub(" ", folded).strip()


@dataclass(frozen=True)
class Grounded:
    """One catalogue item that a text stands for."""

    item: int
    weight: float
    source: str


@dataclass(frozen=True)
class Grounding:
    """What became of one text: its items by rank (none: ungrounded), and whether a positive was passed over."""

    items: tuple[Grounded, ...]
    met_positive: bool

    @property
    def verdict(self) -> str:
        """How the first item was found; without any 'training_positive' (it names one) or 'ungrounded'."""
        if self.items:
            return self.items[0].source
        return "training_positive" if self.met_positive else "ungrounded"


class Catalogue:
    """Titles and vectors of all items, by index.

    Parameters
    ----------
    titles
        One title an item; empty where unknown.
    vectors
        Unit vectors, float32 [items, d].
    """

    def __init__(self, titles: Sequence[str], vectors: Vectors) -> None:
        self._normalised = [normalised_title(title) for title in titles]
        self._by_title: dict[str, list[int]] = {}
        for item, title in enumerate(self._normalised):
            if title:
                self._by_title.setdefault(title, []).append(item)
        self._choices = {item: title for item, title in enumerate(self._normalised) if title}
        self.vectors = vectors

    def ground(self, text: str, vector: Vectors, positives: Collection[int], config: NegativesConfig) -> Grounding:
        """Ground one text for one user; the user's training positives are never the answer."""
        title = normalised_title(text)
        matches, source = self._by_title.get(title, []), "exact"
        if not matches:
            matches, source = self._similar(title, config.fuzzy_score), "fuzzy"
        best = next((item for item in matches if item not in positives), None)
        met_positive = bool(matches) and best is None
        cosines = self.vectors @ vector
        first = [Grounded(best, 1.0, source)] if best is not None else []
        return Grounding(tuple(self._with_neighbours(first, cosines, positives, config)), met_positive)

    def _similar(self, title: str, least: float) -> list[int]:
        if not title:
            return []
        found = process.extract(title, self._choices, scorer=fuzz.ratio, score_cutoff=least, limit=5)
        return [item for _, _, item in found]

    def _with_neighbours(
        self, first: list[Grounded], cosines: Vectors, positives: Collection[int], config: NegativesConfig
    ) -> list[Grounded]:
        chosen = list(first)
        taken = {grounded.item for grounded in first}
        wanted = min(config.pool_size + len(positives) + len(taken), len(cosines))
        nearest = np.argpartition(-cosines, wanted - 1)[:wanted]
        for item in nearest[np.lexsort((nearest, -cosines[nearest]))]:
            if len(chosen) >= config.pool_size or cosines[item] < config.nearest_cosine:
                break
            if int(item) not in positives and int(item) not in taken:
                source = "neighbour" if chosen else "nearest"
                chosen.append(Grounded(int(item), max(float(cosines[item]), 1e-3), source))
        return chosen


def grounding_counts(groundings: Sequence[Grounding]) -> Counter[str]:
    """Count texts by how they were grounded; out_of_catalogue: no title like it."""
    counts: Counter[str] = Counter(dict.fromkeys(GROUNDING_COUNTS, 0))
    counts["texts"] = len(groundings)
    for grounding in groundings:
        source = grounding.items[0].source if grounding.items else "ungrounded"
        counts[source] += 1
        counts["grounded"] += bool(grounding.items)
        counts["met_training_positive"] += grounding.met_positive
        counts["out_of_catalogue"] += source in {"nearest", "ungrounded"} and not grounding.met_positive
    return counts
