"""The adapter: from the LLM's space (k) to the CF space (d).

Source: arXiv 2504.04726, semantic alignment and joint training; version 2 draws a self-attention before the MLP.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from hnlm_ray.cf.kernels.initialisation import linear

CHUNKS: Final = 16


class Adapter(nn.Module):
    """An MLP from float32[n, k] to float32[n, d]; optionally self-attention over the vector's chunks before it.

    Of a vector only its direction counts: it is normalised and scaled by sqrt(k), so that its values have
    the variance 1 that the initialisation is made for. Weights are drawn on the CPU from ``generator``, biases start
    at 0.

    Parameters
    ----------
    hidden
        Widths of the hidden layers, ReLU after each; empty: one linear map.
    deviation
        Of the output at the start: that of an item's layer-0 embedding, which it is mixed with.
    attention
        Put :class:`ChunkAttention` before the MLP.
    """

    def __init__(
        self,
        k: int,
        d: int,
        hidden: Sequence[int],
        generator: torch.Generator,
        *,
        deviation: float,
        attention: bool,
    ) -> None:
        super().__init__()
        self.scale = k**0.5
        self.attention = ChunkAttention(k, generator) if attention else None
        widths = (k, *hidden, d)
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(widths[:-1]):
            layers += [linear(wide, narrow, 2**0.5, generator), nn.ReLU()]
        self.mlp = nn.Sequential(*layers, linear(widths[-2], d, deviation, generator))

    def forward(self, vectors: Tensor) -> Tensor:
        """Return float32[n, d] of floating[n, k]."""
        x = functional.normalize(vectors.float(), dim=1) * self.scale
        if self.attention is not None:
            x = self.attention(x)
        out: Tensor = self.mlp(x)
        return out


class ChunkAttention(nn.Module):
    """Self-attention over one vector: its values are cut into 16 chunks, which are the tokens.

    A vector is one position, so attention over it needs a sequence: the chunks, each with a learned
    position, attend to each other (one head), and what they gather is added to them. k is padded with
    zeros to a multiple of 16 inside; shapes are float32[n, k] in and out.
    """

    def __init__(self, k: int, generator: torch.Generator) -> None:
        super().__init__()
        self.k, self.width = k, -(-k // CHUNKS)
        self.position = nn.Parameter(torch.randn(CHUNKS, self.width, generator=generator))
        self.project = linear(self.width, 3 * self.width, 1.0, generator)
        self.out = linear(self.width, self.width, 1.0, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus what each chunk gathered from the others."""
        padded = functional.pad(x, (0, CHUNKS * self.width - self.k))
        tokens = padded.view(-1, CHUNKS, self.width)
        query, key, value = self.project(tokens + self.position).chunk(3, dim=2)
        gathered = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(gathered)
        return x + out.reshape(-1, CHUNKS * self.width)[:, : self.k]


def parameters_of(module: nn.Module) -> Tensor:
    """Return a copy of all parameters as one vector, float32[parameters], on the CPU."""
    return torch.cat([parameter.detach().reshape(-1).cpu() for parameter in module.parameters()])
