"""EASE as a model: one epoch solves it, and a user is scored by the items it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.base.errors import DivergedError, InputError
from hnlm_ray.cf.closed_form.base import Solved
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import Positives
from hnlm_ray.cf.kernels.gram import add_text_kernel, check_items, item_gram, solve_ease
from hnlm_ray.config import CFConfig

COLUMNS_ON_CPU: Final = 128
"""Summed at a time: these columns of all items stay in the cache, a whole matrix does not."""


@dataclass(frozen=True, eq=False)
class HistoryScores:
    """Rows of X times B: the sum of the rows of ``weights`` that a user has a training positive with.

    ``indptr`` int64[users + 1] and ``history`` int32[pairs] are the CSR of X, ``weights`` float32[items, items].
    A user's scores depend on nothing but its own history, so they are the same bits in any block of users.
    """

    indptr: Tensor
    history: Tensor
    weights: Tensor

    @property
    def items(self) -> int:
        """How many items there are."""
        return len(self.weights)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.weights.device

    @torch.no_grad()
    def scores(self, users: Tensor) -> Tensor:
        """Return float32[n, items] of ``users`` int64[n]; zeros for a user without history."""
        first = self.indptr[users]
        lengths = self.indptr[users + 1] - first
        before = functional.pad(lengths.cumsum(0), (1, 0))
        row = torch.repeat_interleave(lengths)
        within = torch.arange(len(row), device=row.device) - before[row]
        bags = self.history[first[row] + within]
        scores = torch.empty(len(users), self.items, device=self.device)
        for start in range(0, self.items, self._width):
            columns = slice(start, start + self._width)
            scores[:, columns] = functional.embedding_bag(
                bags, self.weights[:, columns], before.to(bags.dtype), mode="sum", include_last_offset=True
            )
        return scores

    @property
    def _width(self) -> int:
        return COLUMNS_ON_CPU if self.device.type == "cpu" else self.items

    def check(self) -> None:
        """Raise DivergedError where a weight is not finite."""
        if not bool(torch.isfinite(self.weights).all()):
            raise DivergedError("the item weights of ease are not finite, so nothing can be ranked; raise cf.ease.reg")


class EASE(Solved):
    """EASE with ``config.ease``: the L2, weights of users in the Gram matrix, the text kernel in it.

    Before its first epoch all weights are 0. It is solved on the CPU in float64, and ranks on ``device``.

    Raises
    ------
    InputError
        More than 20,000 items; a text weight without item text; a Gram matrix that can't be inverted.
    """

    remedy = "raise cf.ease.reg"

    reads_settings = ("ease",)

    def __init__(self, data: CFData, config: CFConfig, seed: int, device: str = "cpu") -> None:
        super().__init__(data, config, seed, device)
        check_items(data.items)
        if config.ease.text and (data.item_text is None or not data.item_text.any()):
            raise InputError(
                f"cf.ease.text {config.ease.text:g} weighs the items' text and the data has none; give it or set it 0"
            )
        self.tensors["weights"] = torch.zeros(data.items, data.items, device=self.device)

    @property
    def finished(self) -> bool:
        """Whether it is solved."""
        return self.epoch > 0

    def solve(self) -> float:
        """Solve for the item weights; return the objective, with the text kernel's part where there is one."""
        settings, text = self.config.ease, self.data.item_text
        gram = item_gram(history_matrix(self.data.train, self.data.items), normalise=settings.normalise)
        if settings.text and text is not None:
            add_text_kernel(gram, text, settings.text)
        weights, objective = solve_ease(gram, settings.reg)
        self.tensors["weights"] = torch.from_numpy(weights).to(self.device)
        return objective

    def scorer(self) -> HistoryScores:
        """Return the scorer of the users' training items."""
        train = self.data.train
        indptr, history = (torch.from_numpy(part).to(self.device) for part in (train.indptr, train.items))
        return HistoryScores(indptr, history, self.tensors["weights"])


def history_matrix(positives: Positives, items: int) -> Any:  # noqa: ANN401 scipy is untyped
    """Return X of the positives, a scipy CSR float32[users, items] of ones."""
    import scipy.sparse as sp

    ones = np.ones(len(positives), np.float32)
    return sp.csr_matrix((ones, positives.items, positives.indptr), shape=(positives.n_users, items))
