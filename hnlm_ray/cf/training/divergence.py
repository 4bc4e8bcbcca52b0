"""When a training by gradients has diverged, and how it is told: the epoch, the learning rate and what to do."""

from __future__ import annotations

import math
from typing import Final

from torch import Tensor

from hnlm_ray.base.cf_errors import DivergedError
from hnlm_ray.cf.scoring import EmbeddingScores
from hnlm_ray.config import CFConfig

GROWTH: Final = 1000.0


class DivergenceWatch:
    """Tells a diverged training by its loss, or by embeddings that can't be ranked by.

    A loss has diverged where it is not finite, or above a thousand times (1 + that of the first step): Adam moves by
    about lr a step at most, so that a rate far too high gives huge losses, which stay finite.

    Attributes
    ----------
    first
        The loss of the first step, a scalar; none before it.
    """

    def __init__(self, config: CFConfig) -> None:
        self.config = config
        self.first: Tensor | float | None = None

    def see(self, loss: Tensor) -> None:
        """Take the loss of a step, a scalar without gradient."""
        if self.first is None:
            self.first = loss

    def check_loss(self, loss: float, epoch: int, lr: float) -> None:
        """Raise DivergedError where the mean loss of an epoch has diverged."""
        self.first = first = float(loss if self.first is None else self.first)
        told = f"with cf.lr {lr:g} and cf.reg {self.config.reg:g}; lower cf.lr"
        if not math.isfinite(loss):
            raise DivergedError(f"the loss of epoch {epoch} is {loss} {told}")
        if loss > GROWTH * (1 + abs(first)):
            raise DivergedError(f"the loss of epoch {epoch} is {loss:.3g}, after {first:.3g} in its first step, {told}")

    def check_scores(self, scores: EmbeddingScores, epoch: int, lr: float) -> None:
        """Raise DivergedError where the embeddings after an epoch, or their products, are not finite."""
        try:
            scores.check()
        except DivergedError as error:
            raise DivergedError(f"after epoch {epoch} with cf.lr {lr:g} {error}") from error
