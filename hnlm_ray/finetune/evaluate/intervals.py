"""95% intervals of means over held-out records, by resampling users: records of one user are drawn together.

The percentile bootstrap of clusters (Davison & Hinkley, Bootstrap Methods and their Application, 1997, 3.8). It takes
one fine-tuned model as given: how another training would have come out is not in the interval.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from hnlm_ray.base.resampling import user_draws

RESAMPLES: Final = 10_000
LEAST_USERS: Final = 6
"""With fewer users even differences that all have one sign come by chance in more than 5% of cases: 2^(1 - users)."""
_ENDS: Final = (2.5, 97.5)
Values = npt.NDArray[np.float64]
Users = npt.NDArray[np.integer]
Interval = tuple[float, float]


def intervals(values: Values, users: Users, seed: int) -> list[Interval] | None:
    """Return the 95% interval of the mean of each column of float64[records, columns]; none for too few users.

    ``users`` int[records] says whose each record is. The draws are those of the seed and the number of users alone,
    so columns that are resampled apart are paired all the same.
    """
    if len(np.unique(users)) < LEAST_USERS:
        return None
    ends = np.percentile(resampled_means(values, users, seed), _ENDS, axis=0)
    return [(float(low), float(high)) for low, high in ends.T]


def resampled_means(values: Values, users: Users, seed: int) -> Values:
    """Return the means of the columns in each resample of users, float64[RESAMPLES, columns]."""
    _, owner = np.unique(users, return_inverse=True)
    sums = np.zeros((owner.max() + 1, values.shape[1] + 1))
    np.add.at(sums, owner, np.column_stack([values, np.ones(len(values))]))
    drawn = np.concatenate([times @ sums for times in user_draws(len(sums), seed, RESAMPLES)])
    return np.asarray(drawn[:, :-1] / drawn[:, -1:])
