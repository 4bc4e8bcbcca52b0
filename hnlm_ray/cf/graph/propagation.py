"""LightGCN's propagation: the symmetric normalised adjacency and the mean over its powers.

Source: He et al., LightGCN (SIGIR 2020), equations 7 and 8: E = 1/(L+1) sum_l A^l E0.

Propagation where only some rows of the result are read: the last product is that of these rows alone.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.cf.data.positives import Positives

Precision = Literal["float32", "bfloat16"]
ENTRIES_PER_NODE: Final = 64
"""From so long rows on a product without values saves more than scaling the tables costs (measured on CPU)."""


class SymmetricMatrix:
    """A sparse symmetric matrix, float32[nodes, nodes], and its product with a table.

    On CPU a product is an ``embedding_bag`` (2.4 times faster than sparse CSR, 8 times faster than COO);
    elsewhere a sparse CSR product.

    Parameters
    ----------
    offsets, columns, values
        CSR: int[nodes + 1], int[entries] of the same type, float32[entries]; arrays, or tensors that are there already.
    precision
        What values are kept and products computed in.
    """

    def __init__(
        self,
        offsets: np.ndarray[Any, Any] | Tensor,
        columns: np.ndarray[Any, Any] | Tensor,
        values: np.ndarray[Any, Any] | Tensor,
        device: torch.device | str = "cpu",
        precision: Precision = "float32",
    ) -> None:
        self.offsets = torch.as_tensor(offsets).to(device)
        self.columns = torch.as_tensor(columns).to(device)
        self.values = torch.as_tensor(values).to(device, getattr(torch, precision))
        self.nodes = len(offsets) - 1
        self._csr = None if self.offsets.device.type == "cpu" else self.to_sparse_csr()

    def to_sparse_csr(self) -> Tensor:
        """Return the matrix as a torch sparse CSR tensor, float32[nodes, nodes]."""
        size = (self.nodes, self.nodes)
        return torch.sparse_csr_tensor(self.offsets, self.columns, self.values, size, check_invariants=True)

    def matmul(self, x: Tensor) -> Tensor:
        """Return A x, [nodes, d] in the matrix's precision, as ``x`` is; not recorded by autograd."""
        if self._csr is not None:
            return self._csr @ x
        return functional.embedding_bag(
            self.columns, x, self.offsets, mode="sum", per_sample_weights=self.values, include_last_offset=True
        )


class Adjacency(SymmetricMatrix):
    """A = D^-1/2 [[0, R], [R^T, 0]] D^-1/2 over users + items; nodes without edges have empty rows.

    ``scale`` is D^-1/2 as float32[nodes, 1] where products are faster with the values taken apart, else none.
    """

    scale: Tensor | None

    def __init__(
        self, train: Positives, n_items: int, device: torch.device | str = "cpu", precision: Precision = "float32"
    ) -> None:
        super().__init__(*_normalised_csr(train, n_items), device, precision)
        pays = len(self.columns) >= ENTRIES_PER_NODE * self.nodes and precision == "float32" and self._csr is None
        self.scale = _root_of_degree(self.offsets) if pays else None

    def add_up(self, x: Tensor) -> Tensor:
        """Return the sum of each node's neighbours, float32[nodes, d]: the product without the values (CPU)."""
        return functional.embedding_bag(self.columns, x, self.offsets, mode="sum", include_last_offset=True)


def _root_of_degree(offsets: Tensor) -> Tensor:
    degree = offsets.diff().unsqueeze(1)
    return torch.where(degree > 0, degree.clamp(min=1).double().rsqrt(), 0).float()


def _normalised_csr(
    train: Positives, n_items: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    users, items = train.pairs()
    by_item = np.argsort(items, kind="stable")
    popularity = train.popularity(n_items)
    degree = np.concatenate([train.degree, popularity])
    columns = np.concatenate([items.astype(np.int64) + train.n_users, users[by_item]])
    rows = np.repeat(np.arange(len(degree)), degree)
    values = 1.0 / np.sqrt(degree[rows].astype(np.float64) * degree[columns])
    index = np.int32 if 2 * len(items) < 2**31 else np.int64
    offsets = np.concatenate([[0], np.cumsum(degree)])
    return offsets.astype(index), columns.astype(index), values.astype(np.float32)


def mean_of_powers(adjacency: SymmetricMatrix, x: Tensor, layers: int) -> Tensor:
    """Return 1/(L+1) sum over l = 0..L of A^l x, float32[nodes, d], not recorded by autograd."""
    return sum_of_powers(adjacency, x, layers).to(x.dtype).mul_(1 / (layers + 1)) if layers else x.clone()


def sum_of_powers(adjacency: SymmetricMatrix, x: Tensor, layers: int) -> Tensor:
    """Return the sum over l = 0..L of A^l x, [nodes, d] in the matrix's precision; ``x`` itself where L is 0."""
    # Horner: A (A x + x) + x ...: no stack of layers to keep and average.
    if layers and isinstance(adjacency, Adjacency) and adjacency.scale is not None:
        return _scaled_sum(adjacency, x, layers, adjacency.scale)
    out = start = x.to(adjacency.values.dtype)
    for _ in range(layers):
        out = adjacency.matmul(out).add_(start)
    return out


def _scaled_sum(adjacency: Adjacency, x: Tensor, layers: int, scale: Tensor) -> Tensor:
    """Return :func:`sum_of_powers` with D^-1/2 times the table in hand: a product then reads no values."""
    start, squared = x * scale, scale * scale
    scaled = start
    for _ in range(layers - 1):
        scaled = adjacency.add_up(scaled).mul_(squared).add_(start)
    return adjacency.add_up(scaled).mul_(scale).add_(x)


class _Propagate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, adjacency: SymmetricMatrix, layers: int) -> Tensor:  # noqa: ANN401 autograd's own
        ctx.adjacency, ctx.layers = adjacency, layers
        return mean_of_powers(adjacency, x, layers)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401 autograd's own
        # A is symmetric, so the mean of its powers is its own transpose.
        return mean_of_powers(ctx.adjacency, gradients[0].contiguous(), ctx.layers), None, None


def propagate(x: Tensor, adjacency: SymmetricMatrix, layers: int) -> Tensor:
    """Return 1/(L+1) sum over l = 0..L of A^l x, float32[nodes, d]; the gradient takes the same path."""
    out: Tensor = _Propagate.apply(x, adjacency, layers)  # type: ignore[no-untyped-call] # torch leaves it so
    return out


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: SymmetricMatrix) -> Tensor:  # noqa: ANN401 autograd's own
        ctx.matrix = matrix
        return matrix.matmul(x.to(matrix.values.dtype)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401 autograd's own
        gradient = gradients[0].contiguous()
        return ctx.matrix.matmul(gradient.to(ctx.matrix.values.dtype)).to(gradient.dtype), None


def product(x: Tensor, matrix: SymmetricMatrix) -> Tensor:
    """Return A x, float32[nodes, d], recorded by autograd: one layer, for models that do more between layers."""
    out: Tensor = _Product.apply(x, matrix)  # type: ignore[no-untyped-call] # torch leaves it so
    return out


def propagated_layers(x: Tensor, adjacency: SymmetricMatrix, layers: int) -> Tensor:
    """Return A^l x of l = 0..L, float32[nodes, L + 1, d]; its mean over l is :func:`propagate`."""
    found = [x]
    for _ in range(layers):
        found.append(product(found[-1], adjacency))
    return torch.stack(found, 1)


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
    """Return rows of :func:`mean_of_powers`, float32[n, d] of ``rows`` int64[n]."""
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
    """Return rows of :func:`propagate`, float32[n, d] of ``rows`` int64[n], each once."""
    out: Tensor = _RowsOfMean.apply(x, matrix, layers, rows)  # type: ignore[no-untyped-call] # torch leaves it so
    return out
