"""Where a training by gradients starts: tables of embeddings, weights of layers. All is drawn on the CPU.

The start decides quality: on sparse data (five pairs a user, say) what is drawn larger than training moves it stays in
the embeddings as noise to the end. Glorot & Bengio (AISTATS 2010) give a table of ``rows`` embeddings of length d the
variance 2 / (rows + d), by its own size: users and items are two tables, as in the public code of NGCF, MixGCF, DINS,
AHNS, SGL and SimGCL.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hnlm_ray.config import CFConfig

"""Users and items together above which LightGCN starts as its authors have it.

On Gowalla (71,000) that start is ahead up to epoch 40; where it stops to be was not measured.
"""


def start_deviation(config: CFConfig, rows: int) -> float:
    """Return the standard deviation of a table of ``rows`` embeddings at the start; ``config.init`` is resolved."""
    assert config.init != "auto", "with_start comes first"  # noqa: S101 the trainer resolves it
    return config.init_std if config.init == "normal" else float((2 / (rows + config.dim)) ** 0.5)


def start_tables(config: CFConfig, users: int, items: int, generator: torch.Generator) -> Tensor:
    """Return the embeddings of users and items at the start, users first, float32[users + items, dim]."""
    uniform = config.init == "xavier_uniform"
    shape = (users + items, config.dim)
    # A uniform number on [-1, 1) has the variance 1/3.
    drawn = (
        torch.rand(shape, generator=generator).mul_(2).sub_(1) if uniform else torch.randn(shape, generator=generator)
    )
    for part in torch.split(drawn, [users, items]):
        part.mul_(start_deviation(config, len(part)) * (3**0.5 if uniform else 1.0))
    return drawn


def start_token(config: CFConfig, rows: int, generator: torch.Generator) -> Tensor:
    """Return one more row for a table of ``rows`` embeddings, float32[1, dim], of the same deviation."""
    return torch.randn(1, config.dim, generator=generator) * start_deviation(config, rows)


def glorot_uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return float32[..., wide, narrow], uniform within +-sqrt(6 / (wide + narrow)) (Glorot & Bengio, AISTATS 2010)."""
    bound = (6 / (shape[-2] + shape[-1])) ** 0.5
    return torch.rand(shape, generator=generator).mul_(2 * bound).sub_(bound)


def linear(wide: int, narrow: int, gain: float, generator: torch.Generator) -> nn.Linear:
    """Return a layer on the CPU: weights from N(0, gain^2 / wide), biases 0.

    Of inputs with variance 1 the outputs have the deviation ``gain``; sqrt(2) keeps it through ReLU (He, ICCV 2015).
    """
    return _layer(torch.randn(narrow, wide, generator=generator) * (gain / wide**0.5))


def glorot_linear(wide: int, narrow: int, generator: torch.Generator) -> nn.Linear:
    """Return a layer on the CPU: weights of :func:`glorot_uniform`, biases 0."""
    return _layer(glorot_uniform((narrow, wide), generator))


def _layer(weight: Tensor) -> nn.Linear:
    narrow, wide = weight.shape
    # By way of the meta device, so that the process-wide random stream is left alone.
    layer: nn.Linear = nn.Linear(wide, narrow, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.zero_()
    return layer
