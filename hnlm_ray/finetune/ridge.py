"""Ridge regression in closed form: the start of the head, and a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from hnlm_ray.teacher.vectors import Matrix

_PENALTIES: Final = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


def unit(rows: Matrix) -> Matrix:
    """Return rows in unit length; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Ridge:
    """Predicts ``(features - centre) / spread @ weights + mean``; weights float32[d, k]."""

    centre: Matrix
    spread: Matrix
    weights: Matrix
    mean: Matrix

    def predict(self, features: Matrix) -> Matrix:
        """Predict float32[n, k] from float32[n, d]."""
        return np.asarray((features - self.centre) / self.spread @ self.weights + self.mean, dtype=np.float32)


def fit_ridge(features: Matrix, targets: Matrix) -> Ridge:
    """Fit targets float32[n, k] to features float32[n, d], standardised.

    Of a few penalties (0.03 .. 30 times the records) the one with the least leave-one-out error is taken, which
    the singular value decomposition gives for all records at once.
    """
    centre, spread, mean = features.mean(0), np.maximum(features.std(0), 1e-6), targets.mean(0)
    left, singular, right = np.linalg.svd(((features - centre) / spread).astype(np.float64), full_matrices=False)
    wanted = (targets - mean).astype(np.float64)
    projected = left.T @ wanted

    def error(penalty: float) -> float:
        shrink = singular**2 / (singular**2 + penalty)
        residual = wanted - left @ (shrink[:, None] * projected)
        leverage = (left**2 * shrink).sum(1) + 1 / len(left)
        return float(((residual / np.maximum(1 - leverage, 1e-3)[:, None]) ** 2).mean())

    best = min((penalty * len(left) for penalty in _PENALTIES), key=error)
    weights = right.T @ ((singular / (singular**2 + best))[:, None] * projected)
    return Ridge(centre, spread, weights.astype(np.float32), mean)
