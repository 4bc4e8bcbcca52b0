"""What one step trains on: pairs, or whole users."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Training pairs: users, items and their edges in the training CSR, int64[batch] each."""

    users: Tensor
    items: Tensor
    edges: Tensor


@dataclass(frozen=True)
class BlockBatch(Batch):
    """The pairs of a larger ``block`` from its pair ``first`` on; none: of no block.

    What reads nothing that is trained can be drawn for a block at once, several times faster than batch by batch.
    """

    block: Batch | None = None
    first: int = 0


@dataclass(frozen=True)
class UserBatch(Batch):
    """All training pairs of some users, a user's pairs side by side.

    ``owners`` int64[n] are the users, each once; ``row`` int64[batch] is the place of each pair's user among them.
    """

    owners: Tensor
    row: Tensor
