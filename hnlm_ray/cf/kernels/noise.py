"""Noise of a training step: perturbations of embeddings and dropped entries, from 16 random bits each.

A table of 70,000 rows takes ``torch.rand`` longer than a product with its graph. 16 bits of a 64-bit draw are a
uniform number as good for noise, at a third of the time, and blocks of rows stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

VALUES: Final = 2**16
CELLS_PER_BLOCK: Final = 2**18


def row_blocks(x: Tensor) -> Iterator[slice]:
    """Yield slices of the rows of float32[n, d] that fit the CPU's cache; elsewhere all of them at once."""
    size = max(1, CELLS_PER_BLOCK // x.shape[1]) if x.device.type == "cpu" else max(1, len(x))
    for start in range(0, len(x), size):
        yield slice(start, min(start + size, len(x)))


def random_bits(like: Tensor, generator: torch.Generator) -> Tensor:
    """Return int16 of the shape of ``like``, all values alike."""
    words = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=like.device)
    words.random_(-(2**63), None, generator=generator)
    return words.view(torch.int16)[: like.numel()].view(like.shape)


def add_noise(x: Tensor, length: float, generator: torch.Generator) -> None:
    """Add sign(x) * n to float32[rows, d], in place: n ~ U(0, 1)^d at length ``length`` in each row.

    Source: Yu et al., SimGCL (SIGIR 2022), equations 7 and 8.
    """
    for rows in row_blocks(x):
        part = x[rows]
        noise = random_bits(part, generator).to(x.dtype).add_(VALUES / 2 + 0.5)
        noise.mul_(length / torch.linalg.vector_norm(noise, dim=1, keepdim=True))
        part.addcmul_(noise, part.sign())


def _kept(share: float) -> int:
    return max(1, round((1 - share) * VALUES))


def scale_of_kept(share: float) -> float:
    """Return what :func:`drop_entries` multiplies the entries by that it keeps."""
    return VALUES / _kept(share)


def drop_entries(x: Tensor, share: float, generator: torch.Generator) -> None:
    """Zero a ``share`` of the entries of a tensor at random, in place, and scale the others up to keep the mean."""
    # By <= the bound of all values fits 16 bits too.
    kept = random_bits(x, generator) <= _kept(share) - VALUES // 2 - 1
    x.mul_(kept.to(x.dtype).mul_(scale_of_kept(share)))
