"""Each of the rows that a batch names, once."""

from __future__ import annotations

import torch
from torch import Tensor


class UniqueRows:
    """Finds the different rows among those of a batch, without sorting; keeps int64[rows of the table]."""

    def __init__(self, rows: int, device: torch.device) -> None:
        self.slot = torch.zeros(rows, dtype=torch.int64, device=device)

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return each of ``rows`` (int64[n]) once, and where each entry stands among them, int64[n]."""
        number = torch.arange(len(rows), device=rows.device)
        self.slot.scatter_(0, rows, number)
        last = self.slot.index_select(0, rows)
        chosen = last == number
        rank = chosen.cumsum(0).sub_(1)
        return rows[chosen], rank.index_select(0, last)
