"""Optimisers and the learning rate of an epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from hnlm_ray.config import CFConfig


def dense_optimiser(parameters: Sequence[nn.Parameter], config: CFConfig) -> torch.optim.Optimizer:
    """Return fused Adam (a quarter of the time of the plain one), or Adagrad."""
    if config.optimiser == "adagrad":
        return torch.optim.Adagrad(parameters, lr=config.lr, fused=parameters[0].device.type == "cpu")
    betas = config.adam.beta_1, config.adam.beta_2
    return torch.optim.Adam(parameters, lr=config.lr, betas=betas, eps=config.adam.epsilon, fused=True)


def learning_rate(config: CFConfig, epoch: int) -> float:
    """Return lr of an epoch (0 is the first): it rises over ``warm_up`` epochs, then follows ``schedule``."""
    if epoch < config.warm_up:
        return config.lr * (epoch + 1) / (config.warm_up + 1)
    gone = (epoch - config.warm_up) / max(1, config.epochs - config.warm_up)
    if config.schedule == "constant":
        return config.lr
    rest = 1 - min(gone, 1.0)
    return config.lr * (rest if config.schedule == "linear" else (1 - math.cos(math.pi * rest)) / 2)
