"""What the false-negative model knows of a (user, item) pair: CF, popularity and text, from training positives."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.cf.ease import ease_weights
from hnlm_ray.cf.neighbours import centred, nearest_items, unit_rows
from hnlm_ray.cf.positives import Positives
from hnlm_ray.errors import InputError

EASE_REG: Final = 200.0
VOTES: Final = 50
Rows = NDArray[np.float32]


class PairFeatures:
    """Features of all items for some users, float32[users, items, features].

    ``cf``: z of the EASE score (reg 200), its square, log(1 + popularity). ``text``: S1, the cosine of the
    mean centred text vector of the user's items with the item's; S2, the sum over the user's items of the
    cosine to the item where it is among their 50 nearest. ``full``: all five. z is over the user's
    unobserved items; where they all score the same it is 0.

    Parameters
    ----------
    train
        The positives that features may rest on.
    text
        float32[items, t] or none.

    Raises
    ------
    InputError
        ``features`` needs text and there is none; too many items for EASE.
    """

    def __init__(self, train: Positives, items: int, features: str, text: NDArray[np.float32] | None) -> None:
        import scipy.sparse as sp

        ones = np.ones(len(train), np.float32)
        self.positives = sp.csr_matrix((ones, train.items, train.indptr), shape=(train.n_users, items))
        self.popularity = np.log1p(train.popularity(items)).astype(np.float32)
        self.ease = ease_weights(self.positives, EASE_REG) if features in {"cf", "full"} else None
        self.text: Rows | None = None
        if features in {"text", "full"}:
            self._load_text(text, features)

    def _load_text(self, text: NDArray[np.float32] | None, features: str) -> None:
        if text is None:
            raise InputError(
                f"cf.guard_features {features!r} needs the items' text vectors and the data has none; use 'cf'"
            )
        vectors = centred(text)
        self.text = unit_rows(vectors)
        self.profiles = unit_rows(self.positives @ vectors)  # a sum has the direction of the mean
        self.votes = nearest_items(text, VOTES)

    def unobserved(self, users: slice) -> NDArray[np.bool_]:
        """Return which items are no positives of each user, bool[users, items]."""
        return np.asarray(self.positives[users].toarray() == 0)

    def rows(self, users: slice) -> Rows:
        """Return the features of these users, float32[users, items, features]."""
        known: Any = self.positives[users]
        parts: list[Rows] = []
        if self.ease is not None:
            z = standardised(known @ self.ease, self.unobserved(users))
            parts += [z, z * z, np.broadcast_to(self.popularity, z.shape)]
        if self.text is not None:
            parts += [self.profiles[users] @ self.text.T, (known @ self.votes).toarray()]
        return np.stack(parts, axis=2)


def standardised(rows: Rows, among: NDArray[np.bool_]) -> Rows:
    """Return (rows - mean) / std of each row over the entries ``among``; 0 elsewhere and where std is 0."""
    count = np.maximum(among.sum(1, keepdims=True), 1)
    mean = (rows * among).sum(1, keepdims=True) / count
    apart = np.where(among, rows - mean, 0).astype(np.float32)
    std = np.sqrt((apart * apart).sum(1, keepdims=True) / count)
    z: Rows = np.divide(apart, std, out=np.zeros_like(apart), where=std > 0)
    return z
