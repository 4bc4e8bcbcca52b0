"""Users drawn with replacement: what the bootstrap by user resamples with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

CELLS_AT_ONCE: Final = 1 << 22


def user_draws(users: int, seed: int, resamples: int) -> Iterator[npt.NDArray[np.float64]]:
    """Yield how often each user is drawn, float64[n, users], ``resamples`` rows in all, in blocks of bounded memory.

    The draws are those of the seed and the number of users alone, so what is resampled apart is paired all the same.
    """
    draw, at_once = np.random.default_rng(seed), max(1, CELLS_AT_ONCE // users)
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        yield draw.multinomial(users, np.full(users, 1 / users), size=size).astype(np.float64)
