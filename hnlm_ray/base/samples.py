"""How samples are cut and drawn: users and items grouped by how much there is of them (lowest, middle, highest).

And users drawn with replacement, which the bootstrap by user resamples with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

CELLS_AT_ONCE: Final = 1 << 22


def user_draws(users: int, seed: int, resamples: int) -> Iterator[npt.NDArray[np.float64]]:
    """Yield how often each user is drawn, float64[n, users], ``resamples`` rows in all, in blocks of bounded memory.

    The draws are those of the seed and the number of users alone, so what is resampled apart is paired all the same.
    """
    draw, at_once = np.random.default_rng(seed), max(1, CELLS_AT_ONCE // users)
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        yield draw.multinomial(users, np.full(users, 1 / users), size=size).astype(np.float64)


def quarters(values: NDArray[np.int64], of: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0 for the lowest quarter of ``of``, 2 for the highest, 1 between; int64, the shape of ``values``.

    Equal values stay together, in the lower group.
    """
    if len(of) == 0:
        return np.zeros(values.shape, np.int64)
    edges = np.quantile(of, [0.25, 0.75], method="inverted_cdf")
    return np.searchsorted(edges, values, side="left")
