"""InfoNCE between two views of the nodes of a batch, users and items apart."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.losses.catalogue import Block, catalogue_loss, softmax_block


def contrasted_nodes(batch: Batch, users: int) -> tuple[Tensor, int]:
    """Return the batch's nodes, each once, int64[n], its users first, and how many are users."""
    of_users, of_items = torch.unique(batch.users), torch.unique(batch.items)
    return torch.cat([of_users, users + of_items]), len(of_users)


def contrast(first: Tensor, second: Tensor, users: int, temperature: float) -> Tensor:
    """Return InfoNCE of the first ``users`` rows plus that of the others, a scalar; the views float32[n, d]."""
    of_users = info_nce(first[:users], second[:users], temperature)
    return of_users + info_nce(first[users:], second[users:], temperature)


def info_nce(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Return the mean over n of -log(exp(cos(a_n, b_n)/t) / sum_m exp(cos(a_n, b_m)/t)), a scalar.

    a and b are ``first`` and ``second``, float32[n, d]. This is an exact softmax over a catalogue of n, whose
    gradient is written out block by block. Source: Wu et al., SGL (SIGIR 2021), equation 10, a mean where they sum.
    """
    n = len(first)
    own = torch.arange(n, device=first.device)
    pairs = Block(own, own, own, first.new_ones(n, 1), pairs=n, users=n)
    rows, others = functional.normalize(first, dim=1), functional.normalize(second, dim=1)
    return catalogue_loss(rows, others, pairs, softmax_block, temperature=temperature)
