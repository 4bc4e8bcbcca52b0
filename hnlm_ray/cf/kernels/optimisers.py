"""Optimisers and the learning rate of an epoch.

Adam for a table of which a step touches few rows: the others catch up when they are needed.

Dense Adam moves every row in every step, also by the momentum of rows without gradient. The moves that a row has
missed have a closed sum, so the result is that of dense Adam (not of sparse Adam, which skips them), and a step
costs what it touches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from hnlm_ray.config import CFConfig
from hnlm_ray.config.cf_parts import AdamConfig

DEFAULTS: Final = AdamConfig()
BETAS: Final = (DEFAULTS.beta_1, DEFAULTS.beta_2)
EPS: Final = DEFAULTS.epsilon
TINY: Final = 1e-30
SETTLED: Final = 32_768
"""From this step on the corrections of both biases are 1 to float64's last digits (0.999^32768 < 1e-14)."""
MEMORY: Final = 512
"""0.9^512 < 1e-23: what a row would still move after so many steps is nothing."""
ROWS_PER_BLOCK: Final = 65_536


class DeferredAdam:
    """Adam (Kingma and Ba, ICLR 2015; with the default of ``cf.adam``) over float32[rows, dim].

    Between :meth:`open` and :meth:`close` a step's rows are up to date; :meth:`flush` brings all others up to date.
    Only eps has no closed sum: 1 / (sqrt(v) + eps h) is summed over the missed steps' h by a Gauss quadrature with
    two nodes, which is exact to third order in h's spread.
    """

    def __init__(self, table: Tensor, lr: float) -> None:
        self.table, self.lr, self.steps, self.flushed = table, lr, 0, 0
        self.m, self.v = torch.zeros_like(table), torch.zeros_like(table)
        self.last = torch.zeros(len(table), dtype=torch.int64, device=table.device)
        self._series = torch.from_numpy(np.stack([_endless_sums(n) for n in range(4)])).to(table.device)
        self._open: tuple[Tensor, Tensor, Tensor, Tensor] | None = None

    def open(self, rows: Tensor) -> Tensor:
        """Return the current values of ``rows`` (int64[n], each once), float32[n, dim]."""
        values, m, v = (state.index_select(0, rows) for state in (self.table, self.m, self.v))
        self._catch_up(values, m, v, self.last.index_select(0, rows))
        self._open = rows, values, m, v
        return values

    def close(self, gradient: Tensor) -> None:
        """Take a step with the gradient of the open rows, float32[n, dim]; it is overwritten."""
        assert self._open is not None  # noqa: S101 open comes first
        rows, values, m, v = self._open
        self._open = None
        self.steps += 1
        m.lerp_(gradient, 1 - BETAS[0])
        v.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        bias_1, bias_2 = (1 - beta**self.steps for beta in BETAS)
        denominator = torch.sqrt(v, out=gradient).div_(bias_2**0.5).add_(EPS)
        values.addcdiv_(m, denominator, value=-self.lr / bias_1)
        for state, new in ((self.table, values), (self.m, m), (self.v, v)):
            state.index_copy_(0, rows, new)
        self.last.index_fill_(0, rows, self.steps)

    def flush(self) -> None:
        """Bring every row up to date."""
        for rows in (slice(start, start + ROWS_PER_BLOCK) for start in range(0, len(self.table), ROWS_PER_BLOCK)):
            self._catch_up(self.table[rows], self.m[rows], self.v[rows], self.last[rows])
        self.last.fill_(self.steps)
        self.flushed = self.steps

    def _catch_up(self, values: Tensor, m: Tensor, v: Tensor, last: Tensor) -> None:
        """Make the moves of the steps after ``last``, in place, as if each had had a gradient of 0.

        Step s moves by lr m b1^k / (1 - b1^s) / (sqrt(v) b2^(k/2) / sqrt(1 - b2^s) + eps), k = s - last. All that is
        not m or v depends on ``last`` alone, so it is computed once for each step since the last flush.
        """
        factors = self._factors().index_select(0, last - self.flushed)
        near, near_eps, far, far_eps, of_m, of_v = torch.split(factors, 1, 1)
        root = v.sqrt()
        inverse = (near / (root + near_eps)).add_(root.add_(far_eps).reciprocal_().mul_(far))
        values.addcmul_(inverse, m, value=-self.lr)
        m.mul_(of_m)
        v.mul_(of_v)

    def _factors(self) -> Tensor:
        """Return what a row last touched at each step since the last flush needs, float32[steps, 6]."""
        last = torch.arange(self.flushed, self.steps + 1, device=self.table.device)
        missed = (self.steps - last).double()
        total, nodes, shares = self._quadrature(last, missed)
        quadrature = [
            column for node, share in zip(nodes, shares, strict=True) for column in (share * total, EPS * node)
        ]
        return torch.stack([*quadrature, BETAS[0] ** missed, BETAS[1] ** missed], 1).float()

    def _quadrature(self, last: Tensor, missed: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Return the weights' sum over the missed steps, and two nodes h with their shares of it, float64[n] each.

        They have the first four moments of h = sqrt(1 - b2^s) / b2^(k/2) under the weights
        b1^k / b2^(k/2) sqrt(1 - b2^s) / (1 - b1^s). Where nothing was missed the sum is 0.
        """
        sums = [self._between(n, last, missed) for n in range(4)]
        mean, square, cube = (moment / sums[0].clamp(min=TINY) for moment in sums[1:])
        variance = (square - mean * mean).clamp(min=TINY)
        skew = (cube - 3 * mean * variance - mean**3) / variance
        apart = (skew * skew + 4 * variance).sqrt()
        low, high = (skew - apart) / 2, (skew + apart) / 2
        nodes = (mean + low).clamp(min=TINY), mean + high
        return sums[0], nodes, (high / apart, -low / apart)

    def _between(self, n: int, last: Tensor, missed: Tensor) -> Tensor:
        """Return the sum of series n over the steps after ``last``, float64[n]."""
        settled, series = SETTLED - 1, self._series[n]
        decay = BETAS[0] / BETAS[1] ** ((n + 1) / 2)
        found: Tensor = (
            series.index_select(0, last.clamp(max=settled)) - decay**missed * series[min(self.steps, settled)]
        )
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return steps and both moments of the rows, all up to date."""
        self.flush()
        return {"steps": self.steps, "m": self.m, "v": self.v}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.steps = self.flushed = int(state["steps"])
        self.m.copy_(state["m"])
        self.v.copy_(state["v"])
        self.last.fill_(self.steps)


def _endless_sums(n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return S_a = sum over k >= 1 of (b1 / b2^p)^k (1 - b2^(a+k))^p / (1 - b1^(a+k)), float64[SETTLED], p = (n+1)/2.

    It is the n-th moment of h; the sum over the steps a+1..t is S_a - (b1 / b2^p)^(t-a) S_t.
    """
    step = np.arange(1.0, SETTLED + MEMORY + 1)
    corrections = (1 - BETAS[1] ** step) ** ((n + 1) / 2) / (1 - BETAS[0] ** step)
    kernel = (BETAS[0] / BETAS[1] ** ((n + 1) / 2)) ** np.arange(1.0, MEMORY + 1)
    return np.correlate(corrections, kernel, mode="valid")[:SETTLED]


def dense_optimiser(parameters: Sequence[nn.Parameter], config: CFConfig) -> torch.optim.Optimizer:
    """Return fused Adam (a quarter of the time of the plain one), or Adagrad."""
    if config.optimiser == "adagrad":
        return torch.optim.Adagrad(parameters, lr=config.lr, fused=parameters[0].device.type == "cpu")
    betas = config.adam.beta_1, config.adam.beta_2
    return torch.optim.Adam(parameters, lr=config.lr, betas=betas, eps=config.adam.epsilon, fused=True)


def learning_rate(config: CFConfig, epoch: int) -> float:
    """Return lr of an epoch (0 is the first): it rises over ``warm_up`` epochs, then follows ``schedule``."""
    if epoch < config.warm_up:
        return config.lr * (epoch + 1) / (config.warm_up + 1)
    gone = (epoch - config.warm_up) / max(1, config.epochs - config.warm_up)
    if config.schedule == "constant":
        return config.lr
    rest = 1 - min(gone, 1.0)
    return config.lr * (rest if config.schedule == "linear" else (1 - math.cos(math.pi * rest)) / 2)
