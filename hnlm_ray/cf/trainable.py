"""What drives a training, whatever the model: epochs, the current scores, the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.evaluate.evaluation import Evaluation
from hnlm_ray.cf.scoring import Scorer
from hnlm_ray.config import CFConfig


@dataclass(frozen=True)
class EpochReport:
    """One finished epoch: its number (1 is the first), mean loss over its pairs (all terms), seconds."""

    epoch: int
    loss: float
    seconds: float


class Stepped(Protocol):
    """A training that goes an epoch at a time: :class:`~hnlm_ray.cf.Trainer`, or a model that is solved.

    Attributes
    ----------
    epoch
        Epochs done.
    finished
        Whether a further epoch would change nothing (a closed form after its first).
    skipped_pairs
        Training pairs left out, because their user has a positive with every item.
    """

    @property
    def data(self) -> CFData: ...  # noqa: D102 what it trains on

    @property
    def config(self) -> CFConfig: ...  # noqa: D102 how it trains

    @property
    def epoch(self) -> int: ...  # noqa: D102 described above

    @property
    def skipped_pairs(self) -> int: ...  # noqa: D102 described above

    @property
    def finished(self) -> bool: ...  # noqa: D102 described above

    def run_epoch(self) -> EpochReport:
        """Do one epoch; DivergedError where it leads to what is not finite."""
        ...

    def scorer(self) -> Scorer:
        """Return what ranks now; it stays as it is when the training goes on."""
        ...

    def evaluate(self, split: str = "validation", cutoffs: Sequence[int] = (10, 20)) -> Evaluation:
        """Rank with the current scores; see :func:`hnlm_ray.cf.evaluate`."""
        ...

    def weights(self) -> dict[str, Any]:
        """Return what is learnt (no copies)."""
        ...

    def load_weights(self, weights: dict[str, Any]) -> None:
        """Take over what :meth:`weights` returned."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed training needs, between two epochs: tensors, numbers and text."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken (same data, config and device); InputError where it doesn't fit."""
        ...
