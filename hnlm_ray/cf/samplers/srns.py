"""SRNS: a memory of hard items for each user, and a preference for those whose score is unsteady."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.data.unobserved import UnobservedItems
from hnlm_ray.cf.kernels.sampled_products import score_candidates
from hnlm_ray.cf.samplers.base import Negatives, Sampler, SamplerInputs
from hnlm_ray.cf.samplers.candidates import choose


class MemorySampler(Sampler):
    """SRNS (Ding et al., NeurIPS 2020, algorithm 1): the argmax over the user's memory of P + alpha_t * std(P).

    P(k | u, i) = sigmoid(s(u, k) - s(u, i)) by the current embeddings. std is that of P by the embeddings at the
    ends of the last ``config.srns.epochs`` epochs, over as many as there are (population form; of one it is 0).
    alpha_t rises from 0 in the first epoch to ``variance`` after ``warm_up`` epochs. Then the memory of each user
    of the batch is drawn anew, once however many of their pairs it holds: ``memory`` of its own items and
    ``fresh`` uniform unobserved ones, without replacement, by softmax(s / temperature).

    An item that has just come into a memory is judged by all those epochs, as one that has long been there: kept are
    the embeddings of these epochs, not the scores of what was in the memory. (With the published settings seven
    in eight of a memory are new after each step.)
    Fresh items are independent draws, as in DNS: one item can stand in a memory more than once, and a user with
    a single unobserved item has nothing else there.

    Attributes
    ----------
    memory
        int32[users, S1]; zeros of a user without pair or without unobserved item, which is never read.
    past
        float32[users + items, epochs, width]; epoch e (0 is the first) stands at e modulo ``epochs``;
        of length 0 before the first.
    """

    reads_settings = ("srns",)
    manner = "of its memory"

    def __init__(self, inputs: SamplerInputs) -> None:
        self.settings, self.generator, self.users = inputs.config.srns, inputs.generator, inputs.data.users
        self.unobserved = UnobservedItems(inputs.data, inputs.generator, inputs.device)
        degree = inputs.data.train.degree
        owners = torch.from_numpy(np.flatnonzero((degree > 0) & (degree < inputs.data.items))).to(inputs.device)
        shape = (self.users, self.settings.memory)
        self.memory = torch.zeros(shape, dtype=torch.int32, device=inputs.device)
        self.memory[owners] = self.unobserved.draw(owners, shape[1]).int()
        self.past = torch.zeros(self.users + inputs.data.items, self.settings.epochs, 0, device=inputs.device)
        self.epoch = 0

    @torch.no_grad()
    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Take each pair's negative from the memories, int64[batch], and draw the memories anew."""
        candidates = self.memory.index_select(0, batch.users).long()
        value = self._odds(batch, candidates, embeddings)
        if self.weight and self.epoch > 1:
            value.add_(self._deviation(batch, candidates), alpha=self.weight)
        self._renew(batch.users, embeddings)
        return Negatives(choose(candidates, value.argmax(1)))

    @property
    def weight(self) -> float:
        """alpha_t of the current epoch."""
        return self.settings.variance * (min(1.0, self.epoch / self.settings.warm_up) if self.settings.warm_up else 1.0)

    def _odds(self, batch: Batch, candidates: Tensor, embeddings: Tensor) -> Tensor:
        """Return P by the current embeddings, float64[batch, S1]: in float32 many a sigmoid is 1, and all equal."""
        users, items = embeddings.index_select(0, batch.users), embeddings[self.users :]
        scores = score_candidates(users, items, torch.cat([candidates, batch.items.unsqueeze(1)], 1)).double()
        return torch.sigmoid(scores[:, :-1] - scores[:, -1:])

    def _deviation(self, batch: Batch, candidates: Tensor) -> Tensor:
        """Return the deviation of P over the last epochs, float32[batch, S1]."""
        kept, dim = self.past.shape[1:]
        table, epochs = self.past.view(-1, dim), torch.arange(min(self.epoch, kept), device=candidates.device)
        # One row a (node, epoch), so that all epochs are scored at once.
        users = table.index_select(0, (batch.users.unsqueeze(1) * kept + epochs).view(-1))
        items = torch.cat([candidates, batch.items.unsqueeze(1)], 1).unsqueeze(1) * kept + epochs.unsqueeze(1)
        scores = score_candidates(users, table[self.users * kept :], items.view(len(users), -1)).view(items.shape)
        odds = torch.sigmoid(scores[..., :-1] - scores[..., -1:])
        return odds.sub_(odds.mean(1, keepdim=True)).square_().mean(1).sqrt_()

    def _renew(self, users: Tensor, embeddings: Tensor) -> None:
        """Draw the memories of ``users`` anew; the highest s / temperature + Gumbel noise are such a draw."""
        owners = torch.unique(users)
        fresh = self.unobserved.draw(owners, self.settings.fresh)
        pool = torch.cat([self.memory.index_select(0, owners), fresh], 1)
        scores = score_candidates(embeddings.index_select(0, owners), embeddings[self.users :], pool)
        uniform = torch.rand(scores.shape, generator=self.generator, device=scores.device)
        keys = scores.div_(self.settings.temperature).sub_(uniform.log_().neg_().log_())
        chosen = keys.topk(self.settings.memory, 1).indices
        self.memory.index_copy_(0, owners, pool.gather(1, chosen).int())

    def end_epoch(self, final: Tensor) -> None:
        """Keep the embeddings of this epoch in place of those of the oldest."""
        if self.epoch == 0:
            self.past = final.new_zeros(*self.past.shape[:2], final.shape[1])
        self.past[:, self.epoch % self.settings.epochs] = final
        self.epoch += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the memories, the embeddings of the last epochs and how many epochs there were."""
        return {"memory": self.memory, "past": self.past, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them over; InputError where they are of another ``config.srns``."""
        for own, given in ((self.memory, state["memory"]), (self.past, state["past"])):
            if own.shape[:2] != given.shape[:2]:
                raise InputError(
                    f"the saved sampler has {list(given.shape[:2])} where this one has {list(own.shape[:2])}; "
                    "load it with the same data and cf.srns"
                )
        device = self.memory.device
        self.memory, self.past = (state[name].to(device, copy=True) for name in ("memory", "past"))
        self.epoch = state["epoch"]
