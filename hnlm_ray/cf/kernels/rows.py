"""Taking several sets of rows from one embedding table with one gradient buffer.

Rows at unit length, with the gradient written out: a third of the passes that autograd makes.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

SHORTEST: Final = 1e-12


def with_lengths(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row of float32[n, dim] over its length (at least 1e-12), and the lengths, float32[n, 1]."""
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp_(min=SHORTEST)
    return rows / lengths, lengths


def ranked_by_cosine(users: Tensor, items: Tensor, magnitude: float) -> tuple[Tensor, Tensor]:
    """Return embeddings whose dot products rank as cosine times the item's length ^ ``magnitude``.

    Users get unit length, which orders nothing anew. What cosine trains has lengths that no loss has seen; propagation
    makes those of popular items larger, so a power above 0 gives a ranking back some of the popularity that a cosine
    divided by a temperature can't express (Wu et al., On the Effectiveness of Sampled Softmax Loss for Item
    Recommendation, TOIS 2024, rank by the dot product).
    """
    unit, lengths = with_lengths(items)
    return with_lengths(users)[0], unit * lengths**magnitude if magnitude else unit


def through_lengths(gradient: Tensor, unit: Tensor, lengths: Tensor) -> Tensor:
    """Return the gradient of the rows for one of their unit rows, float32[n, dim]."""
    along = (gradient * unit).sum(1, keepdim=True)
    return torch.addcmul(gradient, unit, along, value=-1).div_(lengths)


class _UnitRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:  # noqa: ANN401 autograd's own
        unit, lengths = with_lengths(rows)
        ctx.save_for_backward(unit, lengths)
        return unit

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401 autograd's own
        unit, lengths = ctx.saved_tensors
        return through_lengths(gradients[0], unit, lengths)


def unit_rows(rows: Tensor) -> Tensor:
    """Return each row of float32[n, dim] over its length (at least 1e-12)."""
    unit: Tensor = _UnitRows.apply(rows)  # type: ignore[no-untyped-call] # torch leaves it so
    return unit


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, *indices: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401 autograd's own
        ctx.save_for_backward(*indices)
        ctx.shape = table.shape
        return tuple(table.index_select(0, index) for index in indices)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 autograd's own
        total = gradients[0].new_zeros(ctx.shape)
        for index, gradient in zip(ctx.saved_tensors, gradients, strict=True):
            # An expanded index takes scatter_add's fast path; index_add_ on CPU goes row by row.
            total.scatter_add_(0, index[:, None].expand_as(gradient), gradient)
        return total, *(None for _ in ctx.saved_tensors)


def gather_rows(table: Tensor, *indices: Tensor) -> tuple[Tensor, ...]:
    """Return ``table[index]`` for each index, float32[len(index), dim].

    Autograd's own gather would build a table-sized gradient for each index, or copy the rows of all
    of them together; here they are added into one.
    """
    rows: tuple[Tensor, ...] = _GatherRows.apply(table, *indices)  # type: ignore[no-untyped-call] # torch leaves it so
    return rows


def standardised(scores: Tensor) -> Tensor:
    """Return (scores - mean) / std of each row, float32[n, items]; 0 where a row is constant."""
    centred = scores - scores.mean(1, keepdim=True)
    std = centred.square().mean(1, keepdim=True).sqrt()
    return torch.where(std > 0, centred / std, torch.zeros_like(centred))
