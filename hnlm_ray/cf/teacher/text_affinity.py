"""What text says of every user and item.

S1, the user's items against the item; S2, votes of the user's items; S3, a text of the user itself against the item.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hnlm_ray.cf.kernels.neighbours import centred, nearest_items, unit_rows

VOTES: Final = 50
COLD: Final = 5.0
"""Training positives at which the text of a cold item counts half of what it does without any."""


@dataclass(frozen=True, eq=False)
class TextEvidence:
    """S1, S2 and S3 of users with all items.

    Attributes
    ----------
    profiles, items
        float32[users, t] and float32[items, t], unit length: the sum of the centred texts of a user's training items,
        and the centred text of an item; zeros without text.
    history, neighbours
        scipy CSR: X, float32[users, items], and the cosines of each item to its 50 nearest by text.
    own
        float32[users, t], unit length: the centred text of a user itself, such as an LLM's profile; zeros without one.
        None: users have none.
    """

    profiles: NDArray[np.float32]
    items: NDArray[np.float32]
    history: Any
    neighbours: Any
    own: NDArray[np.float32] | None

    @classmethod
    def of(
        cls,
        history: Any,  # noqa: ANN401 scipy is untyped
        item_text: NDArray[np.float32],
        user_text: NDArray[np.float32] | None = None,
    ) -> TextEvidence:
        """Read the text; ``history`` is X, a scipy CSR [users, items] of ones."""
        items = centred(item_text)
        own = None if user_text is None else unit_rows(centred(user_text))
        return cls(unit_rows(history @ items), unit_rows(items), history, nearest_items(item_text, VOTES), own)

    def taste(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return S1, float32[n, items]: cosines of the texts of the users' items with the items'."""
        found: NDArray[np.float32] = self.profiles[users] @ self.items.T
        return found

    def own_taste(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return S3, float32[n, items]: cosines of the users' own texts with the items'; 0 of a user without one."""
        assert self.own is not None  # noqa: S101 asked for where users have some
        found: NDArray[np.float32] = self.own[users] @ self.items.T
        return found

    def votes(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return S2, float32[n, items]: the sum over a user's items of the cosine where the item is near by text."""
        found: NDArray[np.float32] = (self.history[users] @ self.neighbours).toarray()
        return found


def coldness(popularity: NDArray[np.int64]) -> Tensor:
    """Return 1 / (1 + n / 5) of items with n training positives, float32[items]: 1 without any."""
    return torch.from_numpy((1 / (1 + popularity / COLD)).astype(np.float32))
