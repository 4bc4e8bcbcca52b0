"""Vectors for users whom the model was not trained on, from their history: a linear map fitted on its own users.

A user's history becomes the mean of its items' vectors, normalised by the degrees of both sides as LightGCN
propagates (He et al. 2020, eq. 3); a ridge regression from these means to the model's users, in closed form, does the
rest. ``docs/recommend.md`` has the figures that this was chosen by.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from hnlm_ray.recommend.model_tables import Ints, Matrix, ModelRows

FoldIn = npt.NDArray[np.float64]
"""float64[d, d]: a user's vector is the mean of the history times this."""
RIDGE: Final = 0.1
"""Times the mean squared size of a mean's component."""
_PAIRS: Final = 65_536
"""Pairs of a history and an item whose vectors are in memory at once."""


def history_means(items: ModelRows, rows: Ints, seen: Ints, users: int) -> npt.NDArray[np.float64]:
    """Return the degree-normalised mean of each history: the sum of v_i / sqrt(n_u n_i), float64[users, d].

    Parameters
    ----------
    items
        All items in index order; n_i is ``positives``. Cold ones are passed over.
    rows, seen
        int64[pairs] each: history ``rows[p]`` holds the item of index ``seen[p]``; n_u counts its items.

    Returns
    -------
    float64[users, d]
        Zeros where no item is known.
    """
    warm = ~items.cold[seen]
    rows, seen = rows[warm], seen[warm]
    size = np.bincount(rows, minlength=users)
    weight = 1 / np.sqrt(size[rows] * items.positives[seen].astype(np.float64))
    means = np.zeros((users, items.matrix.shape[1]))
    for start in range(0, len(rows), _PAIRS):
        block = slice(start, start + _PAIRS)
        vectors = items.matrix[seen[block]]
        sums = csr_array((weight[block], (rows[block], np.arange(len(vectors)))), shape=(users, len(vectors)))
        means += sums @ vectors
    return means


def fit_fold_in(parts: Iterable[tuple[npt.NDArray[np.float64], Matrix]], ridge: float = RIDGE) -> FoldIn:
    """Fit the map on parts (means, vectors) of the model's users, holding one part at a time.

    Least squares with a penalty on the distance to the multiple of the identity that fits best: with few users, or
    a large ``ridge``, a vector is the mean itself, scaled.

    Raises
    ------
    ValueError
        There is no part, or all means are zero.
    """
    sums = [(means.T @ means, means.T @ vectors) for means, vectors in parts]
    if not sums or not any(np.trace(inner) for inner, _ in sums):
        raise ValueError("there is no history to fit on")
    inner, outer = (np.sum(terms, axis=0) for terms in zip(*sums, strict=True))
    penalty = ridge * np.trace(inner) / len(inner) * np.eye(len(inner))
    scale = np.trace(outer) / np.trace(inner)
    found: FoldIn = np.linalg.solve(inner + penalty, outer + scale * penalty)
    return found
