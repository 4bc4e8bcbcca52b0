"""Where the head starts: centred on the untuned LLM's states, as their ridge regression to the targets.

Linear probing, then fine-tuning (Kumar et al., ICLR 2022): a head that already fits keeps the first steps from
distorting what the LLM knows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from hnlm_ray.finetune.baselines import targets_of
from hnlm_ray.finetune.batches import Batch, Records
from hnlm_ray.finetune.model import HardNegativeModel, Head
from hnlm_ray.finetune.ridge import Ridge, fit_ridge
from hnlm_ray.teacher.vectors import Matrix

_BATCH = 16


@torch.inference_mode()
def computed(compute: Callable[[Batch], torch.Tensor], records: Records) -> Matrix:
    """Compute all records in order of length, so that little is spent on padding; float32[n, ...]."""
    order = sorted(range(len(records)), key=lambda row: len(records.queries[row].ids))
    parts = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
    rows = np.concatenate([compute(records.batch(part)).float().cpu().numpy() for part in parts])
    return np.asarray(rows[np.argsort(order)], dtype=np.float32)


def states_of(model: HardNegativeModel, records: Records, device: torch.device | str = "cpu") -> Matrix:
    """Return the pooled states of records, float32[n, hidden]."""

    def compute(batch: Batch) -> torch.Tensor:
        return model.states(batch.queries, batch.users.to(device), batch.items.to(device))

    return computed(compute, records)


def probe(states: Matrix, records: Records) -> Ridge:
    """Fit the linear probe: pooled states to the unit vectors of the records' targets."""
    return fit_ridge(states, targets_of(records))


@torch.no_grad()
def start_head(head: Head, fitted: Ridge, how: str) -> None:
    """Centre the head; with ``how`` 'ridge' also make it the probe."""
    centre, spread = torch.from_numpy(fitted.centre), torch.from_numpy(fitted.spread)
    head.standardise(centre, spread)  # copied to the head's device
    if how == "ridge":
        head.linear.weight.copy_(torch.from_numpy(fitted.weights.T))
        head.linear.bias.copy_(torch.from_numpy(fitted.mean))
