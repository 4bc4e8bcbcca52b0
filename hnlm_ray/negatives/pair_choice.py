"""Which of a user's training pairs get a negative: those that tell most about the user, or a seeded draw."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from heapq import heapify, heappop, heapreplace
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlm_ray.config.base import PairChoice
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.training_data import Ints, UserHistory, rows_by_item, select_pairs, training_counts

Choose = Callable[[UserHistory, int], list[int]]
"""From a user and a budget to the chosen items, ascending."""
Words = Callable[[int], frozenset[str]]
_WORD = re.compile(r"\w+")
_WORD_CHARS = 200


def pair_choice(workspace: Workspace, how: PairChoice, seed: int) -> Choose:
    """Return how pairs are chosen; for 'informative' it reads the catalogue and the popularity of its items."""
    if how == "random":
        return partial(select_pairs, seed=seed)
    words = CatalogueWords(rows_by_item(workspace, "items"))
    return partial(informative_pairs, information=information_of(training_counts(workspace)), words=words)


def information_of(counts: Ints) -> npt.NDArray[np.float64]:
    """Return the self-information of each item in bits, float64[items]: -log2 of its share of the training rows."""
    bits: npt.NDArray[np.float64] = np.log2(max(1, counts.sum())) - np.log2(np.maximum(counts, 1))
    return bits


def informative_pairs(
    history: UserHistory, budget: int, information: npt.NDArray[np.float64], words: Words
) -> list[int]:
    """Choose greedily: next is the item with the most information times the share of its words that are new.

    New is a word that no chosen item has; an item without words is all new. Equal gains: the item with more
    information, then the latest, then the lower index, as in ``history``. A larger budget keeps what a smaller one
    chose. A gain only falls while items are chosen, so one that is still the largest after it was computed anew
    needs no look at the others (Minoux 1978).
    """
    bits = [-float(information[item]) for item in history.items]
    waiting = [(known, known, place) for place, known in enumerate(bits)]
    heapify(waiting)
    chosen: list[int] = []
    told: set[str] = set()
    while waiting and len(chosen) < budget:
        _, known, place = waiting[0]
        item = history.items[place]
        now = (known * _novelty(words(item), told), known, place)
        if now > waiting[0]:
            heapreplace(waiting, now)
        else:
            heappop(waiting)
            chosen.append(item)
            told |= words(item)
    return sorted(chosen)


def _novelty(words: frozenset[str], told: set[str]) -> float:
    return len(words - told) / len(words) if words else 1.0


class CatalogueWords:
    """The lower-case words of an item's title and attribute values, each split once."""

    def __init__(self, items: Mapping[int, Mapping[str, Any]]) -> None:
        self._items = items
        self._words: dict[int, frozenset[str]] = {}

    def __call__(self, item: int) -> frozenset[str]:
        """Return an item's words."""
        if item not in self._words:
            row = self._items[item]
            texts = [row["title"] or "", *(value or "" for _, value in row["attributes"] or ())]
            self._words[item] = frozenset(word for text in texts for word in _WORD.findall(text[:_WORD_CHARS].lower()))
        return self._words[item]
