"""What the false-negative model knows of a (user, item) pair: behaviour, popularity, text, and what an LLM says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import Positives
from hnlm_ray.cf.kernels.gram import MOST_ITEMS, ease_weights
from hnlm_ray.cf.kernels.neighbours import centred, unit_rows
from hnlm_ray.cf.kernels.spectral import spectral_scores
from hnlm_ray.cf.teacher.text_affinity import TextEvidence, coldness

EASE_REG: Final = 200.0
GROUPS: Final = {"cf": ("cf", "popularity"), "text": ("text",), "full": ("cf", "popularity", "text", "llm")}
"""The groups of features by ``cf.guard_features``."""
Rows = NDArray[np.float32]


class PairFeatures:
    """Features of all items for some users, float32[users, items, features], by groups.

    ``cf``: z of a linear item model's score and its square; the model is EASE (reg 200) up to 20,000 items, above it
    :func:`~hnlm_ray.cf.kernels.spectral.spectral_scores`. ``popularity``: log(1 + n). ``text``: S1 and S2 of
    :class:`~hnlm_ray.cf.teacher.text_affinity.TextEvidence`, and S1 / (1 + n / 5), which speaks for cold items.
    ``llm``: the cosine of the LLM's text of the user (``data.user_text``) with the item's, and of the mean vector that
    the LLM gave the user's pairs (``data.vectors``) with the item's anchor, each where the data has it. z is over the
    user's unobserved items; where they all score the same it is 0.

    Parameters
    ----------
    train
        The positives that features may rest on: all of ``data.train``, or what is left when some are held out.
    groups
        Those that are wanted.

    Attributes
    ----------
    names
        Of the features, as 'group.feature'.

    Raises
    ------
    InputError
        ``groups`` needs text and there is none.
    """

    def __init__(self, train: Positives, data: CFData, groups: tuple[str, ...]) -> None:
        import scipy.sparse as sp

        ones = np.ones(len(train), np.float32)
        self.data, self.train, self.items = data, train, data.items
        self.positives: Any = sp.csr_matrix((ones, train.items, train.indptr), shape=(train.n_users, data.items))
        self._columns: dict[str, Callable[[slice, Rows], Rows]] = {}
        adding = {"cf": self._add_cf, "popularity": self._add_popularity, "text": self._add_text, "llm": self._add_llm}
        for group in groups:
            adding[group]()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features, in the order of their columns."""
        return tuple(self._columns)

    def _add_cf(self) -> None:
        if self.items > MOST_ITEMS:
            scorer = spectral_scores(self.positives)
            self._score: Callable[[slice], Rows] = lambda users: scorer.scores(
                torch.arange(users.start, users.stop)
            ).numpy()
        else:
            weights = ease_weights(self.positives, EASE_REG)
            self._score = lambda users: self.positives[users] @ weights
        self._columns["cf.score"] = lambda _, z: z
        self._columns["cf.squared"] = lambda _, z: z * z

    def _add_popularity(self) -> None:
        popularity = np.log1p(self.train.popularity(self.items)).astype(np.float32)
        self._columns["popularity.log"] = lambda users, _: np.broadcast_to(
            popularity, (users.stop - users.start, self.items)
        )

    def _add_text(self) -> None:
        if self.data.item_text is None:
            raise InputError("cf.guard_features needs the items' text and the data has none; use 'cf'")
        text = TextEvidence.of(self.positives, self.data.item_text)
        cold = coldness(self.train.popularity(self.items)).numpy()
        self._columns["text.taste"] = lambda users, _: text.taste(_indices(users))
        self._columns["text.votes"] = lambda users, _: text.votes(_indices(users))
        self._columns["text.cold"] = lambda users, _: text.taste(_indices(users)) * cold

    def _add_llm(self) -> None:
        data, vectors = self.data, self.data.vectors
        if data.user_text is not None and data.item_text is not None:
            self._add_cosines("llm.profile", unit_rows(centred(data.user_text)), unit_rows(centred(data.item_text)))
        if vectors is not None and vectors.anchors is not None:
            items = np.where(vectors.anchored_items(self.items)[:, None], vectors.anchors, 0).astype(np.float32)
            self._add_cosines("llm.vector", _mean_vectors(data, self.train), unit_rows(items))

    def _add_cosines(self, name: str, users: Rows, items: Rows) -> None:
        self._columns[name] = lambda block, _: users[block] @ items.T

    def unobserved(self, users: slice) -> NDArray[np.bool_]:
        """Return which items are no positives of each user, bool[users, items]."""
        return np.asarray(self.positives[users].toarray() == 0)

    def rows(self, users: slice) -> Rows:
        """Return the features of these users, float32[users, items, features]."""
        scored = any(name.startswith("cf.") for name in self._columns)
        z = standardised(self._score(users), self.unobserved(users)) if scored else np.empty(0, np.float32)
        return np.stack([column(users, z) for column in self._columns.values()], axis=2)


def _indices(users: slice) -> NDArray[np.int64]:
    return np.arange(users.start, users.stop)


def _mean_vectors(data: CFData, train: Positives) -> Rows:
    """Return the unit mean of the vectors of each user's pairs in ``train``, float32[users, k]; zeros without any."""
    assert data.vectors is not None  # noqa: S101 asked for where there are some
    vectors, edges = data.vectors, data.vectors.covered
    users, items = (column[edges] for column in data.train.pairs())
    kept = train.edges(users.astype(np.int64), items.astype(np.int64), data.items) >= 0
    total = np.zeros((data.users, vectors.vectors.shape[1]), np.float32)
    np.add.at(total, users[kept], vectors.vectors[vectors.row[edges[kept]]].astype(np.float32))
    return unit_rows(total)


def standardised(rows: Rows, among: NDArray[np.bool_]) -> Rows:
    """Return (rows - mean) / std of each row over the entries ``among``; 0 elsewhere and where std is 0."""
    count = np.maximum(among.sum(1, keepdims=True), 1)
    mean = (rows * among).sum(1, keepdims=True) / count
    apart = np.where(among, rows - mean, 0).astype(np.float32)
    std = np.sqrt((apart * apart).sum(1, keepdims=True) / count)
    z: Rows = np.divide(apart, std, out=np.zeros_like(apart), where=std > 0)
    return z
