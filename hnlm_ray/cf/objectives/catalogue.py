"""Objectives over the whole catalogue: exact softmax (with distillation) and SFCML."""

from __future__ import annotations

from functools import partial
from typing import Final

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import UserBatch
from hnlm_ray.cf.kernels.rows import gather_rows, unit_rows
from hnlm_ray.cf.losses import catalogue_loss, l2, sfcml_block, softmax_block
from hnlm_ray.cf.losses.catalogue import Block, BlockLoss, distilling_block
from hnlm_ray.cf.objectives.base import Objective, ObjectiveInputs, Step
from hnlm_ray.cf.scoring import Scorer
from hnlm_ray.cf.teacher.semantic import teacher_of

COSINE_SETTINGS: Final = ("softmax.similarity", "softmax.temperature", "softmax.magnitude")


class CatalogueObjective(Objective):
    """A loss of whole users over all items; L2 takes the layer-0 rows of each pair's user and positive."""

    draws = False
    whole_users = True
    temperature = 1.0

    def block_loss(self) -> BlockLoss:
        """Return what turns a block of scores into its loss."""
        raise NotImplementedError

    def __call__(self, step: Step) -> Tensor:
        """Return the loss of the batch's users, a scalar."""
        batch, users = step.batch, self.data.users
        assert isinstance(batch, UserBatch)  # noqa: S101 whole_users says so
        owners, items = step.final.index_select(0, batch.owners), step.final[users:]
        if self.cosine:
            owners, items = unit_rows(owners), unit_rows(items)
        block, temperature = block_of(batch, owners.dtype), self.temperature
        return catalogue_loss(owners, items, block, self.block_loss(), temperature=temperature) + regularisation(
            self, step
        )


def block_of(batch: UserBatch, dtype: torch.dtype = torch.float32) -> Block:
    """Return a batch of whole users as the catalogue's losses take it."""
    counts = torch.bincount(batch.row, minlength=len(batch.owners)).to(dtype).unsqueeze(1)
    return Block(batch.owners, batch.row, batch.items, counts, len(batch.users), len(batch.owners))


def regularisation(objective: Objective, step: Step) -> Tensor:
    """Return reg * L2 of the layer-0 rows of users and positives, a scalar."""
    table = objective.model.regularised()
    if table is None or objective.config.reg == 0:
        return step.final.new_zeros(())
    batch = step.batch
    return objective.config.reg * l2(*gather_rows(table, batch.users, objective.data.users + batch.items))


class SoftmaxObjective(CatalogueObjective):
    """Exact softmax over the catalogue, batched by user; with ``config.softmax.distill`` the teacher's KL."""

    reads_settings = (*COSINE_SETTINGS, "softmax.distill", "softmax.distill_temperature")

    def __init__(self, inputs: ObjectiveInputs) -> None:
        super().__init__(inputs)
        settings = self.config.softmax
        self.cosine, self.temperature = settings.similarity == "cosine", settings.temperature
        self.magnitude = settings.magnitude
        self.teacher: Scorer | None = None
        if settings.distill:
            device = next(self.model.parameters()).device
            self.teacher = teacher_of(self.data, self.config, device)

    def block_loss(self) -> BlockLoss:
        """Return the softmax, with the distillation where it has a weight."""
        settings, teacher = self.config.softmax, self.teacher
        if teacher is None:
            return softmax_block
        return partial(
            distilling_block,
            weight=settings.distill,
            temperature=settings.distill_temperature,
            teacher=lambda owners: teacher.scores(owners.to(teacher.device)).to(owners.device),
        )


class SFCMLObjective(CatalogueObjective):
    """SFCML: squared pairwise loss on the distances of unit rows; ranks by cosine, which orders as distance does."""

    cosine = True
    reads_settings = ("margin",)

    def block_loss(self) -> BlockLoss:
        """Return the squared pairwise loss with ``config.margin``."""
        return partial(sfcml_block, margin=self.config.margin)
