"""Logistic regression for a handful of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.errors import InputError

RIDGE: Final = 1.0
TOLERANCE: Final = 1e-7
MOST_ITERATIONS: Final = 200


@dataclass(frozen=True, eq=False)
class Regression:
    """A fitted regression: the logit of features x is ``x @ weights + intercept``.

    ``weights`` float64[features].
    """

    weights: NDArray[np.float64]
    intercept: float

    def logits(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logit of each row, float32[...], of float32[..., features]."""
        return x @ self.weights.astype(np.float32) + np.float32(self.intercept)


def fit_regression(x: NDArray[np.float32], y: NDArray[np.bool_]) -> Regression:
    """Return the minimum of sum log(1 + exp(-+logit)) + |w|^2 / 2, w on features of deviation 1.

    ``x`` float32[n, features], ``y`` bool[n]. The ridge keeps w finite where the classes can be
    separated; the intercept is free of it. InputError where the minimum isn't found.
    """
    deep = x.astype(np.float64)
    mean, std = deep.mean(0), deep.std(0)
    std[std == 0] = 1
    design = np.column_stack([(deep - mean) / std, np.ones(len(deep))])
    fitted = _minimum(design, y.astype(np.float64))
    weights = fitted[:-1] / std
    return Regression(weights, float(fitted[-1] - mean @ weights))


def _minimum(design: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.optimize import minimize
    from scipy.special import expit

    n = len(y)
    penalty = np.append(np.full(design.shape[1] - 1, RIDGE), 0.0)

    def value(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = design @ w
        loss = np.logaddexp(0, z).sum() - y @ z + (penalty * w * w).sum() / 2
        return loss / n, (design.T @ (expit(z) - y) + penalty * w) / n

    def hessian(w: NDArray[np.float64]) -> Any:  # noqa: ANN401 scipy's own
        p = expit(design @ w)
        return (design.T @ (design * (p * (1 - p))[:, None]) + np.diag(penalty)) / n

    start = np.zeros(design.shape[1])
    limits = {"gtol": TOLERANCE, "maxiter": MOST_ITERATIONS}
    found = minimize(value, start, jac=True, hess=hessian, method="trust-exact", options=limits)
    if not found.success:
        raise InputError(f"the guard's regression did not converge ({found.message}); set cf.guard 0 on this data")
    return np.asarray(found.x)
