"""The pace of a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Seconds of one training: before its first epoch, and for an epoch with its evaluation.

    ``ends_after``: epochs after which it ended by itself; None: nobody has seen its end.
    """

    start_s: float
    epoch_s: float
    ends_after: int | None = None

    @classmethod
    def of(cls, ends: Sequence[float]) -> Pace:
        """Return the pace of a training whose epochs ended so many seconds after its start.

        Of one epoch alone nothing tells its start apart.
        """
        if len(ends) < 2:
            return cls(0.0, ends[0] if ends else 0.0)
        epoch = (ends[-1] - ends[0]) / (len(ends) - 1)
        return cls(max(0.0, ends[0] - epoch), epoch)

    def seconds(self, epochs: float) -> float:
        """Return the time of a training of so many epochs, or of fewer where it ends by itself."""
        return self.start_s + min(epochs, self.ends_after or epochs) * self.epoch_s
