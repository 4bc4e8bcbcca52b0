"""What text says of every user and item: S1, the user's taste against the item; S2, votes of the user's items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hnlm_ray.cf.neighbours import centred, nearest_items, unit_rows

VOTES: Final = 50
COLD: Final = 5.0
"""Training positives at which the text of a cold item counts half of what it does without any."""


@dataclass(frozen=True, eq=False)
class TextEvidence:
    """S1 and S2 of users with all items.

    Attributes
    ----------
    profiles, items
        float32[users, t] and float32[items, t], unit length: the centred text of a user (``CFData.user_text``, else
        the sum over its training items) and of an item; zeros without text.
    history, neighbours
        scipy CSR: X, float32[users, items], and the cosines of each item to its 50 nearest by text.
    """

    profiles: NDArray[np.float32]
    items: NDArray[np.float32]
    history: Any
    neighbours: Any

    @classmethod
    def of(
        cls,
        history: Any,  # noqa: ANN401 scipy is untyped
        item_text: NDArray[np.float32],
        user_text: NDArray[np.float32] | None = None,
    ) -> TextEvidence:
        """Read the text; ``history`` is X, a scipy CSR [users, items] of ones."""
        items = centred(item_text)
        profiles = unit_rows(history @ items if user_text is None else centred(user_text))
        return cls(profiles, unit_rows(items), history, nearest_items(item_text, VOTES))

    def taste(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return S1, float32[n, items]: cosines of the users' texts with the items'."""
        found: NDArray[np.float32] = self.profiles[users] @ self.items.T
        return found

    def votes(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return S2, float32[n, items]: the sum over a user's items of the cosine where the item is near by text."""
        found: NDArray[np.float32] = (self.history[users] @ self.neighbours).toarray()
        return found


def coldness(popularity: NDArray[np.int64]) -> Tensor:
    """Return 1 / (1 + n / 5) of items with n training positives, float32[items]: 1 without any."""
    return torch.from_numpy((1 / (1 + popularity / COLD)).astype(np.float32))
