"""Propagation where only some rows of the result are read: the last product is that of these rows alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.cf.propagation import SymmetricMatrix, mean_of_powers


def product_rows(x: Tensor, matrix: SymmetricMatrix, rows: Tensor) -> Tensor:
    """Return rows of A x, float32[n, d] of ``rows`` int64[n], not recorded by autograd.

    On CPU it costs the entries of these rows; elsewhere a whole product.
    """
    low = x.to(matrix.values.dtype)
    if x.device.type != "cpu":
        return matrix.matmul(low).index_select(0, rows).to(x.dtype)
    first = matrix.offsets.index_select(0, rows)
    counts = matrix.offsets.index_select(0, rows + 1) - first
    ends = counts.cumsum(0, dtype=counts.dtype)
    place = torch.repeat_interleave(first - (ends - counts), counts)
    place += torch.arange(len(place), dtype=place.dtype)
    found = functional.embedding_bag(
        matrix.columns.index_select(0, place),
        low,
        torch.cat([ends.new_zeros(1), ends]),
        mode="sum",
        per_sample_weights=matrix.values.index_select(0, place),
        include_last_offset=True,
    )
    return found.to(x.dtype)


class _RowsOfMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: SymmetricMatrix, layers: int, rows: Tensor) -> Tensor:  # noqa: ANN401 autograd's own
        ctx.matrix, ctx.layers, ctx.shape = matrix, layers, x.shape
        ctx.save_for_backward(rows)
        inner = mean_of_powers(matrix, x, layers - 1)
        last = product_rows(inner, matrix, rows)
        return last.mul_(layers).add_(x.index_select(0, rows)).mul_(1 / (layers + 1))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401 autograd's own
        (rows,) = ctx.saved_tensors
        spread = gradients[0].new_zeros(ctx.shape).index_copy_(0, rows, gradients[0])
        return mean_of_powers(ctx.matrix, spread, ctx.layers), None, None, None


def propagated_rows(x: Tensor, matrix: SymmetricMatrix, layers: int, rows: Tensor) -> Tensor:
    """Return rows of :func:`~hnlm_ray.cf.propagation.propagate`, float32[n, d] of ``rows`` int64[n], each once."""
    out: Tensor = _RowsOfMean.apply(x, matrix, layers, rows)  # type: ignore[no-untyped-call] # torch leaves it so
    return out
