"""Propagation where only some rows of the result are read: the last product is that of these rows alone."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.cf.graph.propagation import SymmetricMatrix, sum_of_powers

WHOLE_FROM: Final = 0.5
"""From this share of a matrix's entries on a whole product takes less time than that of the rows (measured on CPU)."""


def product_rows(x: Tensor, matrix: SymmetricMatrix, rows: Tensor) -> Tensor:
    """Return rows of A x, float32[n, d] of ``rows`` int64[n], not recorded by autograd.

    On CPU it costs the entries of these rows; elsewhere a whole product.
    """
    low = x.to(matrix.values.dtype)
    first = matrix.offsets.index_select(0, rows)
    counts = matrix.offsets.index_select(0, rows + 1) - first
    if x.device.type != "cpu" or int(counts.sum()) > WHOLE_FROM * len(matrix.columns):
        return matrix.matmul(low).index_select(0, rows).to(x.dtype)
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


def mean_of_rows(matrix: SymmetricMatrix, x: Tensor, layers: int, rows: Tensor) -> Tensor:
    """Return rows of :func:`~hnlm_ray.cf.graph.propagation.mean_of_powers`, float32[n, d] of ``rows`` int64[n]."""
    if not layers:
        return x.index_select(0, rows)
    inner = sum_of_powers(matrix, x, layers - 1)
    last = product_rows(inner, matrix, rows).to(x.dtype)
    return last.add_(x.index_select(0, rows)).mul_(1 / (layers + 1))


def spread_from_rows(matrix: SymmetricMatrix, gradient: Tensor, layers: int, rows: Tensor) -> Tensor:
    """Return mean_of_powers of a table that is ``gradient`` float32[n, d] at ``rows`` (int64[n], each once), else 0.

    float32[nodes, d]: the gradient of the table for one of :func:`mean_of_rows`.
    """
    start = (gradient * (1 / (layers + 1))).to(matrix.values.dtype)
    out = start.new_zeros(matrix.nodes, start.shape[1]).index_copy_(0, rows, start)
    for _ in range(layers):
        out = matrix.matmul(out)
        out.index_copy_(0, rows, out.index_select(0, rows).add_(start))
    return out.to(gradient.dtype)


class _RowsOfMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: SymmetricMatrix, layers: int, rows: Tensor) -> Tensor:  # noqa: ANN401 autograd's own
        ctx.matrix, ctx.layers = matrix, layers
        ctx.save_for_backward(rows)
        return mean_of_rows(matrix, x, layers, rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401 autograd's own
        (rows,) = ctx.saved_tensors
        # A is symmetric, so the mean of its powers is its own transpose.
        return spread_from_rows(ctx.matrix, gradients[0], ctx.layers, rows), None, None, None


def propagated_rows(x: Tensor, matrix: SymmetricMatrix, layers: int, rows: Tensor) -> Tensor:
    """Return rows of :func:`~hnlm_ray.cf.graph.propagation.propagate`, float32[n, d] of ``rows`` int64[n], each once."""
    out: Tensor = _RowsOfMean.apply(x, matrix, layers, rows)  # type: ignore[no-untyped-call] # torch leaves it so
    return out
