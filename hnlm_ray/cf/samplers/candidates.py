"""Candidates and their scores: what most samplers choose among."""

from __future__ import annotations

import warnings
from typing import Final

import torch
from torch import Tensor

from hnlm_ray.cf.batches import Batch
from hnlm_ray.cf.samplers.base import Sampler, SamplerInputs
from hnlm_ray.cf.unobserved import UnobservedItems

CELLS_AT_ONCE: Final = 2**28


def score_candidates(rows: Tensor, items: Tensor, candidates: Tensor) -> Tensor:
    """Return <rows[i], items[candidates[i, j]]>, float32[n, m].

    Parameters
    ----------
    rows
        float32[n, dim].
    items
        float32[items, dim], contiguous.
    candidates
        int64[n, m].
    """
    return _in_place(rows, items, candidates) if rows.device.type == "cpu" else _gathered(rows, items, candidates)


def _in_place(rows: Tensor, items: Tensor, candidates: Tensor) -> Tensor:
    """Read each candidate's row where it is (a sampled dense-dense product): eight times as fast on CPU."""
    n, m = candidates.shape
    offsets = torch.arange(0, n * m + 1, m, device=candidates.device)
    wanted = _csr(offsets, candidates.reshape(-1), items.new_zeros(n * m), (n, len(items)))
    scores: Tensor = torch.sparse.sampled_addmm(wanted, rows, items.T, beta=0).values()
    return scores.view(n, m)


def _gathered(rows: Tensor, items: Tensor, candidates: Tensor, cells: int = CELLS_AT_ONCE) -> Tensor:
    """Gather the candidates' rows, a block of ``rows`` at a time (at most ``cells`` numbers)."""
    block = max(1, cells // max(1, candidates.shape[1] * items.shape[1]))
    scores = [
        torch.bmm(items.index_select(0, some.reshape(-1)).view(*some.shape, -1), row.unsqueeze(2)).squeeze(2)
        for some, row in zip(torch.split(candidates, block), torch.split(rows, block), strict=True)
    ]
    return torch.cat(scores)


def _csr(offsets: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    # Unsorted and repeated columns are fine for this product, so the invariants go unchecked.
    return torch.sparse_csr_tensor(offsets, columns, values, shape, check_invariants=False)


with warnings.catch_warnings():
    # PyTorch says once a process that CSR is in beta; here it is said and dropped.
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
    _csr(torch.tensor([0, 1]), torch.tensor([0]), torch.ones(1), (1, 1))


class CandidateSampler(Sampler):
    """Base of the samplers that draw ``config.candidates`` uniform unobserved items a pair and score them."""

    def __init__(self, inputs: SamplerInputs) -> None:
        self.users, self.candidates = inputs.data.users, inputs.config.candidates
        self.generator = inputs.generator
        self.unobserved = UnobservedItems(inputs.data, inputs.generator, inputs.device)

    def draw(self, batch: Batch, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Return candidates int64[batch, m] and their scores float32[batch, m] by the final ``embeddings``."""
        candidates = self.unobserved.draw(batch.users, self.candidates)
        users = embeddings.index_select(0, batch.users)
        return candidates, score_candidates(users, embeddings[self.users :], candidates)


def choose(candidates: Tensor, place: Tensor) -> Tensor:
    """Return ``candidates[i, place[i]]``, int64[n]."""
    return candidates.gather(1, place.unsqueeze(1)).squeeze(1)
