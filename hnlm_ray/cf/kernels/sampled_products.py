"""Products of each row with some items of its own: scores, and what their gradients need."""

from __future__ import annotations

import warnings
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

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
    # PyTorch refuses a product that samples a row more often than it has columns.
    in_place = rows.device.type == "cpu" and candidates.shape[1] <= len(items)
    return _in_place(rows, items, candidates) if in_place else _gathered(rows, items, candidates)


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


def sum_candidates(items: Tensor, candidates: Tensor, weights: Tensor) -> Tensor:
    """Return the sum over j of weights[i, j] * items[candidates[i, j]], float32[n, dim]; int64[n, m], float32[n, m]."""
    n, m = candidates.shape
    offsets = torch.arange(0, n * m + 1, m, device=candidates.device)
    return _bags(items, candidates.reshape(-1), offsets, weights.reshape(-1))


def sum_rows(rows: Tensor, candidates: Tensor, weights: Tensor, items: int) -> Tensor:
    """Return for each item the sum of weights[i, j] * rows[i] where candidates[i, j] is it, float32[items, dim].

    The candidates are sorted, so that each item's row is written once: six times as fast as adding row by row.
    """
    m = candidates.shape[1]
    item, place = torch.sort(candidates.reshape(-1).int(), stable=True)
    bounds = torch.arange(items + 1, dtype=torch.int32, device=item.device)
    return _bags(rows, place // m, torch.searchsorted(item, bounds), weights.reshape(-1).index_select(0, place))


def _bags(table: Tensor, rows: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    return functional.embedding_bag(
        rows, table, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True
    )
