"""Logistic regression for a handful of features."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError

RIDGE: Final = 1.0
TOLERANCE: Final = 1e-10
"""Of the gradient's largest part, a question's mean."""
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
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler(copy=False)
    fitted = _minimum(scaler.fit_transform(x.astype(np.float64)), y)
    weights = fitted.coef_[0] / scaler.scale_
    return Regression(weights, float(fitted.intercept_[0] - scaler.mean_ @ weights))


def _minimum(x: NDArray[np.float64], y: NDArray[np.bool_]) -> Any:  # noqa: ANN401 scikit-learn's own
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / RIDGE, solver="newton-cholesky", tol=TOLERANCE, max_iter=MOST_ITERATIONS)
    try:
        with warnings.catch_warnings(action="error", category=ConvergenceWarning):
            return model.fit(x, y)
    except ConvergenceWarning as error:
        raise InputError(
            f"the guard's regression did not converge ({str(error).splitlines()[0]}); set cf.guard 0 on this data"
        ) from error
