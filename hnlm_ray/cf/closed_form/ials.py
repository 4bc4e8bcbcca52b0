"""iALS: implicit alternating least squares, each half of an epoch solved exactly.

Hu et al., Collaborative Filtering for Implicit Feedback Datasets (ICDM 2008), in the parametrisation of Rendle et
al., Revisiting the Performance of iALS on Item Recommendation Benchmarks (RecSys 2022, 2110.14037): observed pairs
weigh 1, all pairs alpha0, and a row is regularised by lambda * (its pairs + alpha0 * all it could have)^nu.

Its many small least-squares problems share their unobserved part; rows of equal degree are solved in one batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from hnlm_ray.base.errors import DivergedError
from hnlm_ray.cf.closed_form.base import Solved
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import Positives
from hnlm_ray.cf.scoring import EmbeddingScores
from hnlm_ray.config import CFConfig

CELLS_PER_BLOCK: Final = 2**20
ROWS_PER_BLOCK: Final = 2**16


@dataclass(frozen=True)
class RowGroup:
    """Rows that have equally many positives: ``rows`` int64[r], their positives ``others`` int32[r, n]."""

    rows: Tensor
    others: Tensor


def group_rows(positives: Positives, device: torch.device) -> list[RowGroup]:
    """Return the rows with positives, grouped by degree; a matrix of p pairs has at most sqrt(2 p) groups."""
    degree = positives.degree
    order = np.argsort(degree, kind="stable")
    distinct, first = np.unique(degree[order], return_index=True)
    groups = []
    for n, rows in zip(distinct, np.split(order, first[1:]), strict=True):
        if n:
            places = positives.indptr[rows][:, None] + np.arange(n)
            index, others = (torch.from_numpy(part).to(device) for part in (rows, positives.items[places]))
            groups.append(RowGroup(index, others))
    return groups


@dataclass(frozen=True)
class Problem:
    """What the rows share.

    A row x with positives S minimises sum_S (h_j x - 1)^2 + weight * sum over all j of (h_j x)^2 + penalty |x|^2.

    Parameters
    ----------
    others
        h, float32[m, d].
    weight
        Of all pairs, above 0.
    penalty
        From how many positives a row has to its L2, above 0.
    """

    others: Tensor
    weight: float
    penalty: Callable[[int], float]


@dataclass(frozen=True)
class Solution:
    """All rows solved.

    ``rows`` float32[rows, d], 0 for a row without positives; ``residual`` the sum of 1 - h_j x over the positives;
    ``penalty`` the sum of penalty |x|^2.
    """

    rows: Tensor
    residual: float
    penalty: float


def solve_rows(rows: int, groups: list[RowGroup], problem: Problem) -> Solution:
    """Solve for every row.

    In the eigenbasis of h^T h what the rows share is a diagonal D(n), and with S = H_S D^-1/2 a row is
    x = D^-1/2 (I + S^T S)^-1 S^T 1 = D^-1/2 S^T (I + S S^T)^-1 1: a system of min(n, d) unknowns whose eigenvalues are
    1 and above, so float32 suffices.

    Raises
    ------
    torch.linalg.LinAlgError
        Something is not finite, or penalties are too small for float32.
    """
    values, basis, rotated = _rotated(problem.others)
    solved = rotated.new_zeros(rows, rotated.shape[1])
    residual, penalised = torch.zeros(2, dtype=torch.float64, device=rotated.device)
    for group in groups:
        penalty = problem.penalty(group.others.shape[1])
        scale = (problem.weight * values + penalty).rsqrt().to(rotated.dtype)
        for index, positives in _blocks(group, len(scale)):
            found, left = _solve(rotated, positives, scale)
            solved[index] = found
            residual += left
            penalised += penalty * found.square().sum(dtype=torch.float64)
    return Solution(solved @ basis.T.to(solved.dtype), float(residual), float(penalised))


def _rotated(others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return eigenvalues float64[d] and eigenvectors float64[d, d] of h^T h, and h in their basis, float32[m, d]."""
    gram = others.new_zeros(others.shape[1], others.shape[1], dtype=torch.float64)
    for part in torch.split(others, ROWS_PER_BLOCK):
        gram.addmm_(part.double().T, part.double())
    values, basis = torch.linalg.eigh(gram)
    rotated = torch.cat([(part.double() @ basis).to(others.dtype) for part in torch.split(others, ROWS_PER_BLOCK)])
    return values.clamp(min=0), basis, rotated


def _blocks(group: RowGroup, dim: int) -> Iterator[tuple[Tensor, Tensor]]:
    size = max(1, CELLS_PER_BLOCK // (max(group.others.shape[1], dim) * dim))
    yield from zip(torch.split(group.rows, size), torch.split(group.others, size), strict=True)


def _solve(rotated: Tensor, positives: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Return the solutions of a block, float32[r, d] in the eigenbasis, and their sum of 1 - h_j x, float64[]."""
    if positives.shape[1] < len(scale):
        return _solve_by_positives(rotated, positives, scale)
    return _solve_by_dimensions(rotated, positives, scale)


def _solve_by_positives(rotated: Tensor, positives: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    scaled = _gathered(rotated, positives).mul_(scale)
    matrix = scaled @ scaled.mT
    matrix.diagonal(dim1=1, dim2=2).add_(1)
    ones = matrix.new_ones(*positives.shape, 1)
    # The solution is what is left of each 1: (I + S S^T) r = 1 and h_j x = (S S^T r)_j.
    left = torch.cholesky_solve(ones, torch.linalg.cholesky(matrix))
    return (left.mT @ scaled).squeeze(1).mul_(scale), left.sum(dtype=torch.float64)


def _solve_by_dimensions(rotated: Tensor, positives: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    (rows, n), dim = positives.shape, len(scale)
    matrix, right = rotated.new_zeros(rows, dim, dim), rotated.new_zeros(rows, dim)
    # More than one part only where a single row has that many positives.
    for part in torch.split(positives, max(1, CELLS_PER_BLOCK // dim), dim=1):
        found = _gathered(rotated, part)
        matrix.baddbmm_(found.mT, found)
        right += found.sum(1)
    matrix.mul_(scale).mul_(scale[:, None])
    matrix.diagonal(dim1=1, dim2=2).add_(1)
    right.mul_(scale)
    solved = torch.cholesky_solve(right.unsqueeze(2), torch.linalg.cholesky(matrix)).squeeze(2)
    return solved * scale, rows * n - (right * solved).sum(dtype=torch.float64)


def _gathered(rotated: Tensor, positives: Tensor) -> Tensor:
    return rotated.index_select(0, positives.flatten()).view(*positives.shape, -1)


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
