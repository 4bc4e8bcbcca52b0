"""Lowest, middle and highest: how users and items are grouped by how much there is of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def quarters(values: NDArray[np.int64], of: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0 for the lowest quarter of ``of``, 2 for the highest, 1 between; int64, the shape of ``values``.

    Equal values stay together, in the lower group.
    """
    if len(of) == 0:
        return np.zeros(values.shape, np.int64)
    edges = np.quantile(of, [0.25, 0.75], method="inverted_cdf")
    return np.searchsorted(edges, values, side="left")
