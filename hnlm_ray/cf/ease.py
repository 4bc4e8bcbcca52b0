"""EASE: the closed-form linear item model (Steck, WWW 2019)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.errors import InputError

MOST_ITEMS: Final = 20_000


def ease_weights(positives: Any, reg: float) -> NDArray[np.float32]:  # noqa: ANN401 scipy is untyped
    """Return B, float32[items, items] with a zero diagonal: the scores of a user are its row of X times B.

    B = I - P diag(1 / P_jj) with P = (X^T X + reg I)^-1. Solved in float64 by Cholesky, in place.

    Parameters
    ----------
    positives
        X, a scipy CSR [users, items] of ones.
    reg
        L2, above 0.

    Raises
    ------
    InputError
        More items than 20,000: the inverse is dense.
    """
    items = positives.shape[1]
    if items > MOST_ITEMS:
        raise InputError(f"EASE inverts a matrix of {items} x {items} items and takes at most {MOST_ITEMS}; use fewer")
    gram = (positives.T @ positives).astype(np.float64).toarray(order="F")
    gram[np.diag_indices(items)] += reg
    inverse = _inverse(gram)
    weights = (-inverse / np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weights, 0)
    return weights


def _inverse(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.linalg import lapack

    # X^T X + reg I is positive definite, so neither step can fail for a finite reg above 0.
    factor, failed = lapack.dpotrf(gram, lower=0, overwrite_a=1)
    inverse, singular = lapack.dpotri(factor, lower=0, overwrite_c=1)
    assert failed == singular == 0  # noqa: S101
    upper = np.triu(inverse, 1)
    return np.asarray(np.triu(inverse) + upper.T)
