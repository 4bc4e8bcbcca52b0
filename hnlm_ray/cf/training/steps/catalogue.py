"""Steps over the whole catalogue whose gradient is written out: exact softmax and SFCML on linear models."""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch, UserBatch
from hnlm_ray.cf.kernels.rows import through_lengths, with_lengths
from hnlm_ray.cf.losses import catalogue_gradients
from hnlm_ray.cf.losses.catalogue import Block
from hnlm_ray.cf.models import EmbeddingModel
from hnlm_ray.cf.objectives import CatalogueObjective, block_of
from hnlm_ray.cf.training.steps.autograd import AutogradSteps


class CatalogueSteps(AutogradSteps):
    """The same steps as :class:`AutogradSteps`; beside the items only the rows of the batch's users are touched."""

    def __init__(self, model: EmbeddingModel, objective: CatalogueObjective) -> None:
        super().__init__(model, None, objective, None)
        self.catalogue = objective
        self.buffer = torch.zeros_like(model.table.detach())
        self.dirty: Tensor | None = None

    @torch.no_grad()
    def step(self, batch: Batch) -> Tensor:
        """Take one step and return the loss, a scalar."""
        assert isinstance(batch, UserBatch)  # noqa: S101 whole_users says so
        if self.dirty is not None:
            self.buffer.index_fill_(0, self.dirty, 0)
        self.dirty = batch.owners
        block = block_of(batch)
        loss = self._ranking(block)
        gradient = self.model.pull_back(self.buffer)
        assert gradient is not None  # noqa: S101 a linear model has one
        self.model.table.grad = gradient
        loss = loss + self._l2(block, gradient)
        self.optimiser.step()
        return loss

    def _ranking(self, block: Block) -> Tensor:
        """Put the gradient of the final embeddings into the buffer and return the loss, a scalar."""
        final, loss_of = self.model().detach(), self.catalogue
        owners, items = final.index_select(0, block.owners), final[self.model.users :]
        lengths = None
        if loss_of.cosine:
            (owners, of_owners), (items, of_items) = with_lengths(owners), with_lengths(items)
            lengths = of_owners, of_items
        loss, to_owners, to_items = catalogue_gradients(
            owners, items, block, loss_of.block_loss(), temperature=loss_of.temperature
        )
        if lengths is not None:
            to_owners = through_lengths(to_owners, owners, lengths[0])
            to_items = through_lengths(to_items, items, lengths[1])
        self.buffer.index_copy_(0, block.owners, to_owners)
        self.buffer[self.model.users :] = to_items
        return loss

    def _l2(self, block: Block, gradient: Tensor) -> Tensor | float:
        """Add the gradient of reg / (2 pairs) times the squared norm of each pair's rows and return that, a scalar."""
        scale, users = self.model.config.reg / block.pairs, self.model.users
        if not scale:
            return 0.0
        table, pairs = self.model.table.data, torch.bincount(block.items, minlength=self.model.items)
        owners, items = table.index_select(0, block.owners), table[users:]
        of_owners, of_items = owners * block.counts, items * pairs.to(table.dtype).unsqueeze(1)
        gradient.index_copy_(0, block.owners, gradient.index_select(0, block.owners).add_(of_owners, alpha=scale))
        gradient[users:].add_(of_items, alpha=scale)
        return (torch.dot(owners.view(-1), of_owners.view(-1)) + (items * of_items).sum()) * (scale / 2)
