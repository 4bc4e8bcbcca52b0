"""Pairs as sorted 64-bit keys: membership by binary search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def positions(sorted_keys: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each key stands in ``sorted_keys`` (int64, the shape of ``keys``), -1 where it isn't."""
    if len(sorted_keys) == 0:
        return np.full(keys.shape, -1, np.int64)
    found = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return np.where(sorted_keys[found] == keys, found, -1)


def contains(sorted_keys: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for each key whether it is in ``sorted_keys`` (bool, the shape of ``keys``)."""
    return positions(sorted_keys, keys) >= 0
