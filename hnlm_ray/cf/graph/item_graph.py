"""The item-item graph of text neighbours, added after LightGCN's propagation: item' = item + w * A_text item."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.graph.propagation import SymmetricMatrix
from hnlm_ray.cf.kernels.neighbours import nearest_items
from hnlm_ray.config import CFConfig


def text_graph(data: CFData, config: CFConfig, device: torch.device | str) -> SymmetricMatrix:
    """Return A_text = D^-1/2 max(N, N^T) D^-1/2 over the items, float32.

    N marks each item's ``config.graph_neighbours`` nearest others by the cosine of centred text vectors, those
    with a cosine above 0; D counts the neighbours. An item without neighbour has an empty row.

    Raises
    ------
    InputError
        The items have no text vectors.
    """
    if data.item_text is None:
        raise InputError("cf.graph needs the items' text vectors and the data has none; embed them or set cf.graph 0")
    near = nearest_items(data.item_text, config.graph_neighbours)
    near.data = (near.data > 0).astype(np.float64)
    near.eliminate_zeros()
    either = near.maximum(near.T).tocsr()
    either.sort_indices()
    degree = np.diff(either.indptr)
    rows = np.repeat(np.arange(data.items), degree)
    values = 1.0 / np.sqrt(degree[rows].astype(np.float64) * degree[either.indices])
    return SymmetricMatrix(either.indptr, either.indices, values.astype(np.float32), device)


class _AddNeighbours(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, graph: SymmetricMatrix, weight: float, users: int) -> Tensor:  # noqa: ANN401
        ctx.graph, ctx.weight, ctx.users = graph, weight, users
        return with_neighbours(x, graph, weight, users)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        # I + w A is symmetric, so it is its own transpose.
        return with_neighbours(gradients[0].contiguous(), ctx.graph, ctx.weight, ctx.users), None, None, None


def with_neighbours(x: Tensor, graph: SymmetricMatrix, weight: float, users: int) -> Tensor:
    """Return what :func:`add_neighbours` does, not recorded by autograd."""
    out = x.clone()
    out[users:].add_(graph.matmul(x[users:]), alpha=weight)
    return out


def add_neighbours(x: Tensor, graph: SymmetricMatrix, weight: float, users: int) -> Tensor:
    """Return x with ``weight * A_text x`` added to the items' rows, float32[users + items, d]."""
    out: Tensor = _AddNeighbours.apply(x, graph, weight, users)  # type: ignore[no-untyped-call] # torch leaves it so
    return out
