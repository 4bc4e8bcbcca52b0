"""iALS: implicit alternating least squares, each half of an epoch solved exactly.

Hu et al., Collaborative Filtering for Implicit Feedback Datasets (ICDM 2008), in the parametrisation of Rendle et
al., Revisiting the Performance of iALS on Item Recommendation Benchmarks (RecSys 2022, 2110.14037): observed pairs
weigh 1, all pairs alpha0, and a row is regularised by lambda * (its pairs + alpha0 * all it could have)^nu.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hnlm_ray.base.cf_errors import DivergedError
from hnlm_ray.cf.closed_form.base import Solved
from hnlm_ray.cf.closed_form.least_squares import Problem, RowGroup, Solution, group_rows, solve_rows
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import Positives
from hnlm_ray.cf.scoring import EmbeddingScores
from hnlm_ray.config import CFConfig


class IALS(Solved):
    """iALS with ``config.ials`` and ``config.dim``; an epoch solves all users, then all items.

    The objective is sum over observed (s - 1)^2 + alpha0 * sum over all s^2
    + lambda * (sum_u (|I_u| + alpha0 * items)^nu |p_u|^2 + sum_i (|U_i| + alpha0 * users)^nu |q_i|^2), and no epoch
    raises it. A user or an item without training positives is solved as the others are: its vector is 0.
    """

    remedy = "raise cf.ials.reg"

    reads_settings = ("dim", "epochs", "ials")

    def __init__(self, data: CFData, config: CFConfig, seed: int, device: str = "cpu") -> None:
        super().__init__(data, config, seed, device)
        users, items = self.data.train.pairs()
        by_item = Positives.from_pairs(items, users, self.data.items)
        self._of_users = group_rows(self.data.train, self.device)
        self._of_items = group_rows(by_item, self.device)
        rows = self.data.users + self.data.items
        start = torch.randn(rows, config.dim, generator=_generator(seed)) * (
            config.ials.init_std / math.sqrt(config.dim)
        )
        users_table, items_table = torch.split(start.to(self.device), [self.data.users, self.data.items])
        self.tensors = {"users": users_table, "items": items_table}

    def solve(self) -> float:
        """Solve users, then items; return the objective.

        With items at their minimum, their penalties and all terms of pairs are together the sum of 1 - s over the
        observed pairs.
        """
        try:
            users = self._half(self.data.users, self._of_users, self.tensors["items"])
            items = self._half(self.data.items, self._of_items, users.rows)
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined] # documented, not in its __all__
            raise DivergedError(f"epoch {self.epoch + 1} of ials can't be solved; {self.remedy}") from error
        self.tensors = {"users": users.rows, "items": items.rows}
        return items.residual + users.penalty

    def _half(self, rows: int, groups: list[RowGroup], others: Tensor) -> Solution:
        settings = self.config.ials

        def penalty(positives: int) -> float:
            return float(settings.reg * (positives + settings.unobserved * len(others)) ** settings.power)

        return solve_rows(rows, groups, Problem(others, settings.unobserved, penalty))

    def scorer(self) -> EmbeddingScores:
        """Return the scorer of the current vectors."""
        return EmbeddingScores(self.tensors["users"], self.tensors["items"])


def _generator(seed: int) -> torch.Generator:
    child = np.random.SeedSequence(seed).spawn(1)[0]
    return torch.Generator("cpu").manual_seed(int(child.generate_state(1, np.uint64)[0] >> np.uint64(1)))
