"""EASE: the closed-form linear item model (Steck, WWW 2019), its Gram matrix with weights of users and a text kernel.

Matrices of items x items are float64 in Fortran order and change in place, so that one of them is held at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.kernels.neighbours import centred, unit_rows

MOST_ITEMS: Final = 20_000
ITEMS_PER_BLOCK: Final = 512
Matrix = NDArray[np.float64]


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
    return solve_ease(item_gram(positives), reg)[0]


def check_items(items: int) -> None:
    """Raise InputError where the dense inverse would be too large."""
    if items > MOST_ITEMS:
        raise InputError(f"EASE inverts a matrix of {items} x {items} items and takes at most {MOST_ITEMS}; use fewer")


def item_gram(positives: Any, *, normalise: bool = False) -> Matrix:  # noqa: ANN401 scipy is untyped
    """Return X^T W X, float64[items, items]; W weighs each user by 1 / history length, or all by 1.

    ``positives`` is X, a scipy CSR [users, items] of ones. InputError as :func:`ease_weights`.
    """
    items = positives.shape[1]
    check_items(items)
    left = positives.T.tocsr().astype(np.float64)
    right = positives.tocsc().astype(np.float64)
    if normalise:
        # The data of a CSC stand in the order of its rows' indices: a user's weight goes to each of its ones.
        right.data /= np.diff(positives.indptr)[right.indices]
    gram = np.empty((items, items), order="F")
    for columns in _blocks(items):
        gram[:, columns] = (left @ right[:, columns]).toarray()
    return gram


def add_text_kernel(gram: Matrix, text: NDArray[np.float32], weight: float) -> None:
    """Add weight * sqrt(d_i d_j) * relu(cos(t_i, t_j))^2 to a Gram matrix in place, d being its diagonal.

    ``text`` float32[items, t] is centred first (:func:`hnlm_ray.cf.kernels.neighbours.centred`); an item without text
    gets nothing.
    """
    unit = unit_rows(centred(text)).astype(np.float64)
    scale = np.sqrt(np.diag(gram))
    for columns in _blocks(len(gram)):
        near = np.maximum(unit @ unit[columns].T, 0)
        gram[:, columns] += weight * np.square(near) * scale[:, None] * scale[columns]


def solve_ease(gram: Matrix, reg: float) -> tuple[NDArray[np.float32], float]:
    """Return B of a Gram matrix, float32[items, items], and its objective; ``gram`` is overwritten.

    The objective is sum_j (e_j - b_j)^T G (e_j - b_j) + reg |b_j|^2 = |X - X B|^2 + reg |B|^2, which at its minimum is
    sum_j (1 / P_jj - reg).

    Raises
    ------
    InputError
        The matrix is not positive definite, which a text kernel of great weight can bring about.
    """
    gram[np.diag_indices(len(gram))] += reg
    inverse = _upper_inverse(gram)
    diagonal = np.diag(inverse).copy()
    weights = np.empty(inverse.shape, np.float32)
    for rows in _blocks(len(inverse)):
        weights[rows] = -_whole_rows(inverse, rows) / diagonal
    np.fill_diagonal(weights, 0)
    return weights, float((1 / diagonal - reg).sum())


def _upper_inverse(gram: Matrix) -> Matrix:
    """Return the inverse in the upper triangle of ``gram`` itself; below the diagonal is what was there."""
    from scipy.linalg import lapack

    factor, failed = lapack.dpotrf(gram, lower=0, overwrite_a=1, clean=0)
    if failed:
        raise InputError("EASE's matrix is not positive definite; raise cf.ease.reg or lower cf.ease.text")
    inverse, singular = lapack.dpotri(factor, lower=0, overwrite_c=1)
    assert singular == 0  # noqa: S101 a Cholesky factor has no zero on its diagonal
    return np.asarray(inverse)


def _whole_rows(upper: Matrix, rows: slice) -> Matrix:
    """Return rows of the symmetric matrix whose upper triangle is given, float64[rows, items]."""
    found = np.hstack([upper[: rows.start, rows].T, upper[rows, rows.start :]])
    square = found[:, rows]
    below = np.tril_indices(len(square), -1)
    square[below] = square.T[below]
    return found


def _blocks(items: int) -> Iterator[slice]:
    for start in range(0, items, ITEMS_PER_BLOCK):
        yield slice(start, min(start + ITEMS_PER_BLOCK, items))
