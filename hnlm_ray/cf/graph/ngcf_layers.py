"""NGCF's layers with their gradient written out, in blocks of rows that stay in the CPU's cache.

Autograd would record about fifteen passes over the whole table for each layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.cf.graph.propagation import SymmetricMatrix, product
from hnlm_ray.cf.kernels.noise import drop_entries, row_blocks, scale_of_kept

SLOPE: Final = 0.2
SHORTEST: Final = 1e-12
"""Shorter rows are divided by this, in place of their length."""


@dataclass(frozen=True)
class Dropout:
    """The share of a layer's entries that are dropped, and the stream that says which."""

    share: float
    generator: torch.Generator


@dataclass(frozen=True)
class _Layer:
    """One layer: ``out`` of what it reads (``x``) and A x (``side``), and ``unit`` = out / ``length``."""

    x: Tensor
    side: Tensor
    out: Tensor
    unit: Tensor
    length: Tensor


def _interact(x: Tensor, side: Tensor, weights: Tensor, dropout: Dropout) -> Tensor:
    """Return LeakyReLU((side + x) W1 + (side * x) W2) with dropped entries, float32[n, dim]."""
    out = torch.empty_like(x)
    for rows in row_blocks(x):
        part, near = out[rows], side[rows]
        torch.mm(near + x[rows], weights[0], out=part).addmm_(near * x[rows], weights[1])
        functional.leaky_relu_(part, SLOPE)
        if dropout.share:
            drop_entries(part, dropout.share, dropout.generator)
    return out


def _pull_back(
    layer: _Layer, weights: Tensor, gradient: Tensor, carried: Tensor, into: Tensor, *, scale: float
) -> Tensor:
    """Return the gradient of ``layer.side``; ``carried``, of ``out``, becomes that of ``x``; weights add to ``into``.

    ``gradient`` is that of ``layer.unit``. An entry of ``out`` that is 0 was dropped, so it passes nothing.
    """
    of_side = torch.empty_like(carried)
    for rows in row_blocks(carried):
        x, side, out, unit, own = (part[rows] for part in (layer.x, layer.side, layer.out, layer.unit, carried))
        g = gradient[rows]
        g = torch.addcmul(g, unit, (g * unit).sum(1, keepdim=True), value=-1).div_(layer.length[rows]).add_(own)
        # The slope is 1, 0 (dropped) or SLOPE by the sign of what came out.
        sign = out.sign()
        g.mul_(sign).mul_(sign.mul_((1 + SLOPE) / 2 * scale).add_((1 - SLOPE) / 2 * scale))
        into[0].addmm_((x + side).T, g)
        into[1].addmm_((x * side).T, g)
        of_sum, of_product = g @ weights[0].T, g @ weights[1].T
        torch.addcmul(of_sum, of_product, x, out=of_side[rows])
        torch.addcmul(of_sum, of_product, side, out=own)
    return of_side


class _Layers(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 autograd's own
        table: Tensor,
        weights: Tensor,
        adjacency: SymmetricMatrix,
        dropout: Dropout,
    ) -> Tensor:
        dim = table.shape[1]
        final = table.new_empty(len(table), dim * (len(weights) + 1))
        units = torch.split(final, dim, 1)
        units[0].copy_(table)
        layers, sides, lengths = [table], list[Tensor](), list[Tensor]()
        for weight, unit in zip(weights, units[1:], strict=True):
            sides.append(product(layers[-1], adjacency))
            layers.append(_interact(layers[-1], sides[-1], weight, dropout))
            lengths.append(torch.linalg.vector_norm(layers[-1], dim=1, keepdim=True).clamp_(min=SHORTEST))
            torch.div(layers[-1], lengths[-1], out=unit)
        ctx.adjacency, ctx.share = adjacency, dropout.share
        ctx.save_for_backward(weights, final, *layers, *sides, *lengths)
        return final

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:  # noqa: ANN401 autograd's own
        weights, final, *saved = ctx.saved_tensors
        depth, dim = len(weights), weights.shape[-1]
        outs, sides, lengths = saved[: depth + 1], saved[depth + 1 : 2 * depth + 1], saved[2 * depth + 1 :]
        units, of_units = torch.split(final, dim, 1), torch.split(gradients[0], dim, 1)
        of_weights, carried = torch.zeros_like(weights), torch.zeros_like(outs[0])
        for at in reversed(range(depth)):
            layer = _Layer(outs[at], sides[at], outs[at + 1], units[at + 1], lengths[at])
            own = weights[at], of_units[at + 1], carried, of_weights[at]
            of_side = _pull_back(layer, *own, scale=scale_of_kept(ctx.share))
            carried.add_(product(of_side, ctx.adjacency))
        return carried.add_(of_units[0]), of_weights, None, None


def interaction_layers(table: Tensor, weights: Tensor, adjacency: SymmetricMatrix, dropout: Dropout) -> Tensor:
    """Return layers 0..L side by side, the rows of 1..L at unit length, float32[nodes, dim * (L + 1)].

    ``table`` float32[nodes, dim] is layer 0, ``weights`` float32[L, 2, dim, dim] are W1 and W2 of each further layer.
    """
    out: Tensor = _Layers.apply(table, weights, adjacency, dropout)  # type: ignore[no-untyped-call] # torch leaves it so
    return out
