"""Nearest items by text: centred vectors, and the top k of their cosines in blocks."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from hnlm_ray.cf.kernels.top_k import top_k

ROWS_PER_BLOCK: Final = 512
CENTRED_PER_BLOCK: Final = 2**16
"""Rows that are centred, in float64, at a time."""
ROUNDING: Final = 1e-6
"""Of the mean's length: by so little an encoder's vectors of one text differ between batches."""


def mean_text(text: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean of text vectors float32[items, t], float64[t]; a row of zeros doesn't count."""
    has_text = (text != 0).any(axis=1)
    return text[has_text].mean(axis=0, dtype=np.float64) if has_text.any() else np.zeros(text.shape[1])


def centred(text: NDArray[np.float32], mean: NDArray[np.float64] | None = None) -> NDArray[np.float32]:
    """Return text vectors less their mean, or a given one (of the texts they are compared with), float32[items, t].

    Raw sentence vectors share a direction, which hides what tells them apart. A row of zeros is an item
    without text: it doesn't count in the mean and stays zero. So is one that differs from the mean by rounding alone:
    of texts that are all alike nothing is told.
    """
    has_text = (text != 0).any(axis=1)
    mean = mean_text(text) if mean is None else mean
    apart, least = np.empty(text.shape, np.float32), ROUNDING * np.linalg.norm(mean)
    for start in range(0, len(text), CENTRED_PER_BLOCK):
        rows = slice(start, start + CENTRED_PER_BLOCK)
        apart[rows] = np.where(has_text[rows, None], text[rows] - mean, 0)
        apart[rows][np.linalg.norm(apart[rows], axis=1) <= least] = 0
    return apart


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows at length 1; a row of zeros stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit


def nearest_items(text: NDArray[np.float32], k: int) -> Any:  # noqa: ANN401 scipy is untyped
    """Return the cosines of each item to its k nearest others, a scipy CSR float32[items, items].

    Vectors are centred first; of equal cosines the lower item comes first. With fewer than k others all
    of them are near. Memory: 512 rows of similarities at a time.
    """
    import scipy.sparse as sp

    unit = torch.from_numpy(unit_rows(centred(text)))
    n, k = len(unit), min(k, len(unit) - 1)
    if k == 0:
        return sp.csr_matrix((n, n), dtype=np.float32)
    values, columns = [], []
    for rows in torch.split(torch.arange(n), ROWS_PER_BLOCK):
        cosines = unit[rows] @ unit.T
        cosines[torch.arange(len(rows)), rows] = -torch.inf
        value, column = top_k(cosines, k)
        values.append(value.numpy())
        columns.append(column.numpy())
    indptr = np.arange(n + 1) * k
    return sp.csr_matrix((np.concatenate(values).ravel(), np.concatenate(columns).ravel(), indptr), shape=(n, n))
