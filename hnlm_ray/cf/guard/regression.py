"""Logistic regression for a handful of features.

A small network in the place of the logistic regression: one hidden layer, which can join features.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from hnlm_ray.base.errors import InputError

HIDDEN: Final = 16
EPOCHS: Final = 30
STEPS_AN_EPOCH: Final = 64
DECAY: Final = 1e-4
ROWS_PER_BLOCK: Final = 2**18


@dataclass(frozen=True, eq=False)
class Network:
    """A fitted network: features are standardised by ``mean`` and ``std``, float32[features]."""

    layers: nn.Module
    mean: Tensor
    std: Tensor

    @torch.no_grad()
    def logits(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logit of each row, float32[...], of float32[..., features]."""
        flat = torch.from_numpy(np.ascontiguousarray(x)).view(-1, x.shape[-1])
        found = torch.cat([self.layers((block - self.mean) / self.std) for block in torch.split(flat, ROWS_PER_BLOCK)])
        out: NDArray[np.float32] = found.view(x.shape[:-1]).numpy()
        return out


def fit_network(x: NDArray[np.float32], y: NDArray[np.bool_], seed: int) -> Network:
    """Fit 16 hidden units to ``y`` bool[n] from ``x`` float32[n, features] by AdamW, 30 epochs of 64 steps.

    ``seed`` draws the start and the order; the process's own streams are left as they are.
    """
    features, answers = torch.from_numpy(x), torch.from_numpy(y).float()
    mean, std = features.mean(0), features.std(0)
    features = (features - mean) / std.masked_fill_(std == 0, 1)
    generator = torch.Generator().manual_seed(seed)
    layers = _layers(x.shape[1], generator)
    adam = torch.optim.AdamW(layers.parameters(), lr=5e-3, weight_decay=DECAY)
    size = -(-len(features) // STEPS_AN_EPOCH)
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(features), generator=generator), size):
            adam.zero_grad()
            loss = functional.binary_cross_entropy_with_logits(layers(features[rows]).squeeze(1), answers[rows])
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it so
            adam.step()
    return Network(layers, mean, std)


def _layers(features: int, generator: torch.Generator) -> nn.Sequential:
    layers = nn.Sequential(nn.Linear(features, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
    for parameter in layers.parameters():
        width = parameter.shape[-1]
        nn.init.uniform_(parameter, -(width**-0.5), width**-0.5, generator=generator)
    return layers


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
