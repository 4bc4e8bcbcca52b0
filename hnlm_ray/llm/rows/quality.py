"""How good the texts of a table are, from counts over all rows and a bounded sample of the texts.

The sample holds the texts whose keys have the smallest hashes, so it is the same however a table is cut into
buckets and chunks, and the samples of two parts merge into that of both.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

MOST_TEXTS: Final = 2000
_WORD = re.compile(r"\w+")
Figures = dict[str, int | float | str | None]
Hashes = npt.NDArray[np.uint64]
# Multipliers of splitmix64 (Steele, Lea and Flood 2014).
_STEP, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


@dataclass(frozen=True)
class TextSample:
    """Texts with the hashes of their keys, ascending; at most ``MOST_TEXTS``."""

    texts: tuple[tuple[int, str], ...] = ()

    def merged(self, other: TextSample) -> TextSample:
        """Return the sample of both parts of a table; no key may be in both."""
        return TextSample(tuple(sorted((*self.texts, *other.texts))[:MOST_TEXTS]))


def sampled(hashes: Hashes, texts: Sequence[str]) -> TextSample:
    """Return the sample of texts with these hashes of their keys."""
    return TextSample(tuple(sorted(zip(hashes.tolist(), texts, strict=True))[:MOST_TEXTS]))


def key_hashes(keys: Sequence[npt.NDArray[np.integer]]) -> Hashes:
    """Hash rows by their key columns, uint64[rows]: alike on every machine."""
    hashes = np.zeros(len(keys[0]), np.uint64)
    for column in keys:
        hashes = _mixed(hashes + _STEP + column.astype(np.uint64))
    return hashes


def _mixed(values: Hashes) -> Hashes:
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))


def lowest(hashes: Hashes) -> npt.NDArray[np.int64]:
    """Return the places of the ``MOST_TEXTS`` smallest hashes, in no order."""
    if len(hashes) <= MOST_TEXTS:
        return np.arange(len(hashes))
    return np.argpartition(hashes, MOST_TEXTS)[:MOST_TEXTS].astype(np.int64)


def text_figures(sample: TextSample) -> Figures:
    """Return what the texts of a table are like; only ``sampled_texts`` where there are none.

    duplicate_share
        Texts of the sample that are exactly like an earlier one of it, by all of it. Two like rows of a large table
        may not both be in the sample: compare samples of one size.
    distinct_1, distinct_2
        Different words, or pairs of neighbours, by all of them (Li et al. 2016).
    compression_ratio
        Bytes of the texts by their bytes compressed with zlib: higher is more repetitive (Shaib et al. 2024).
    words_mean, words_median
        Words a text.
    """
    texts = [text for _, text in sample.texts]
    if not texts:
        return {"sampled_texts": 0}
    words = [_WORD.findall(text.lower()) for text in texts]
    lengths = [len(row) for row in words]
    return {
        "duplicate_share": round(1 - len(set(texts)) / len(texts), 4),
        "distinct_1": _distinct([word for row in words for word in row]),
        "distinct_2": _distinct([pair for row in words for pair in pairwise(row)]),
        "compression_ratio": compression_ratio(texts),
        "words_mean": round(float(np.mean(lengths)), 2),
        "words_median": float(np.median(lengths)),
        "sampled_texts": len(texts),
    }


def _distinct(grams: Sequence[object]) -> float | None:
    return round(len(set(grams)) / len(grams), 4) if grams else None


def compression_ratio(texts: Sequence[str]) -> float:
    """Return how many bytes of the texts, one a line, a byte of zlib stands for."""
    data = "\n".join(texts).encode()
    return round(len(data) / len(zlib.compress(data)), 3)
