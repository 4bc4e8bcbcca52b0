"""In-batch negatives: the positives of the other pairs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.data.unobserved import UnobservedItems
from hnlm_ray.cf.samplers.base import Negatives, Sampler, SamplerInputs, SharedNegatives


class _KnownInBatch:
    """Finds which items of a batch are training positives of which of its users, without testing each cell."""

    def __init__(self, unobserved: UnobservedItems, items: int, device: torch.device) -> None:
        self.observed = unobserved.observed
        self.slot = torch.full((items,), -1, dtype=torch.int64, device=device)

    def __call__(self, users: Tensor, unique: Tensor) -> Tensor:
        """Return bool[items, batch] for ``unique`` int64[items] (each once) and ``users`` int64[batch]."""
        self.slot.index_copy_(0, unique, torch.arange(len(unique), device=unique.device))
        rows, items = self.observed.known(users)
        slots = self.slot.index_select(0, items)
        hit = (slots >= 0).nonzero().squeeze(1)
        cells = slots.index_select(0, hit).mul_(len(users)).add_(rows.index_select(0, hit))
        known = torch.zeros(len(unique) * len(users), dtype=torch.bool, device=users.device)
        known.index_fill_(0, cells, True)  # noqa: FBT003 torch takes the value so
        self.slot.index_fill_(0, unique, -1)
        return known.view(len(unique), len(users))


class HardInBatchSampler(Sampler):
    """Of the batch's items that are no training positives of the user, the one with the highest current score.

    A user who has a training positive with all of them gets a uniform unobserved item. Items come in proportion
    to their popularity, and a larger batch gives harder negatives. For sampled_softmax a :class:`SharedInBatchSampler`
    stands in its place.
    """

    reads_settings = ("softmax.log_q",)
    for_sampled_softmax = True
    manner = "of its batch"

    def __init__(self, inputs: SamplerInputs) -> None:
        self.users = inputs.data.users
        self.unobserved = UnobservedItems(inputs.data, inputs.generator, inputs.device)
        self.known = _KnownInBatch(self.unobserved, inputs.data.items, inputs.device)

    @classmethod
    def open(cls, inputs: SamplerInputs) -> Sampler:
        """Return what ``config.loss`` needs: shared negatives for sampled_softmax, else the hardest one."""
        return SharedInBatchSampler(inputs) if inputs.config.loss == "sampled_softmax" else cls(inputs)

    @torch.no_grad()
    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Score all items of the batch for each of its users and keep the hardest that is allowed."""
        unique = torch.unique(batch.items)
        known = self.known(batch.users, unique)
        users, items = embeddings.index_select(0, batch.users), embeddings.index_select(0, self.users + unique)
        scores = (items @ users.T).masked_fill_(known, -torch.inf)
        negatives = unique.index_select(0, scores.argmax(0))
        without = known.all(0).nonzero().squeeze(1)
        if len(without):
            negatives.index_copy_(0, without, self.unobserved.draw(batch.users.index_select(0, without)))
        return Negatives(negatives)


class SharedInBatchSampler(Sampler):
    """All items of the batch for all of its pairs, with the log of their odds to be in it (sampled softmax).

    The odds are each item's share of the training pairs (Yi et al., RecSys 2019). An item that is a training
    positive of the user is no negative of theirs.
    """

    reads = "nothing"

    def __init__(self, inputs: SamplerInputs) -> None:
        unobserved = UnobservedItems(inputs.data, inputs.generator, inputs.device)
        self.known = _KnownInBatch(unobserved, inputs.data.items, inputs.device)
        counts = np.bincount(inputs.data.train.items, minlength=inputs.data.items)
        share = np.maximum(counts, 1) / max(1, len(inputs.data.train))
        self.log_q = torch.from_numpy(np.log(share).astype(np.float32)).to(inputs.device)

    def sample(self, batch: Batch, embeddings: Tensor) -> SharedNegatives:
        """Name the batch's items as negatives of each other; the embeddings don't matter."""
        del embeddings
        unique, place = torch.unique(batch.items, return_inverse=True)
        # Rows of the transposed mask are copied whole: far faster than picking columns.
        allowed = self.known(batch.users, unique).logical_not_().index_select(0, place).T
        return SharedNegatives(batch.items, self.log_q.index_select(0, batch.items), allowed)
