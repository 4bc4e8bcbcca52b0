"""Taking several sets of rows from one embedding table with one gradient buffer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


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
