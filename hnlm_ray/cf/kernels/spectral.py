"""A linear item model for catalogues that EASE can't invert: the first singular vectors of the normalised matrix."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch

from hnlm_ray.cf.scoring import EmbeddingScores

RANK: Final = 128
SEED: Final = 0


def spectral_scores(history: Any, device: torch.device | str = "cpu", rank: int = RANK) -> EmbeddingScores:  # noqa: ANN401 scipy is untyped
    """Return scores X D_i^-1/2 V V^T D_i^1/2 (the ideal low-pass filter of GF-CF, Shen et al., CIKM 2021).

    V are the right singular vectors, float32[items, rank], of D_u^-1/2 X D_i^-1/2 with the ``rank`` largest singular
    values. Memory: (users + items) x rank x 4 bytes. Of one user, one item or no pair there is no such vector to
    compute, and all scores are 0.

    Parameters
    ----------
    history
        X, a scipy CSR [users, items] of ones.
    """
    import scipy.sparse as sp

    if min(history.shape) < 2 or not history.nnz:
        return EmbeddingScores(*(torch.zeros(size, 1, device=device) for size in history.shape))
    by_user, by_item = (_root(np.asarray(history.sum(axis)).ravel()) for axis in (1, 0))
    scaled = history @ sp.diags(1 / by_item)
    normalised = sp.diags(1 / by_user) @ scaled
    basis = torch.from_numpy(_right_vectors(normalised, min(rank, *(size - 1 for size in history.shape))))
    users = torch.from_numpy(np.asarray(scaled @ basis.numpy(), dtype=np.float32))
    items = basis * torch.from_numpy(by_item.astype(np.float32)).unsqueeze(1)
    return EmbeddingScores(users.to(device), items.to(device))


def _root(counts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(np.sqrt(np.maximum(counts, 1)), np.float32)


def _right_vectors(matrix: Any, rank: int) -> np.ndarray[Any, Any]:  # noqa: ANN401 scipy is untyped
    from scipy.sparse.linalg import svds

    # The start is drawn from a seed: ARPACK's own would give other last bits in each process.
    start = np.random.default_rng(SEED).normal(size=min(matrix.shape))
    _, _, right = svds(matrix.astype(np.float32), k=max(1, rank), v0=start.astype(np.float32), random_state=SEED)
    vectors: np.ndarray[Any, Any] = np.asarray(right[::-1].T, dtype=np.float32, order="C")
    return vectors
