"""Steps of a graph model whose sampler looks at no embedding: only the batch's nodes are propagated to the end."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.losses import PAIR_LOSSES
from hnlm_ray.cf.models import EmbeddingModel
from hnlm_ray.cf.objectives import Objective
from hnlm_ray.cf.samplers import Negatives, Sampler
from hnlm_ray.cf.training.steps.autograd import AutogradSteps
from hnlm_ray.cf.training.steps.closed import Rows, add_l2, add_ranking, has_closed_form
from hnlm_ray.cf.training.steps.unique import UniqueRows
from hnlm_ray.config import CFConfig

NODES_PER_PAIR: Final = 16
"""From so many nodes for each pair of a batch on, leaving the others out takes less time (measured on CPU)."""


def pays_by_rows(model: EmbeddingModel, sampler: Sampler, config: CFConfig) -> bool:
    """Tell whether such steps are possible and faster than those that read all nodes."""
    possible = has_closed_form(model, config) and sampler.reads == "nothing" and model.gives_rows
    return possible and len(model.table) >= NODES_PER_PAIR * config.batch_size


class SomeRowsSteps(AutogradSteps):
    """The steps of :class:`~hnlm_ray.cf.training.steps.ClosedSteps` for a batch that names few of the nodes."""

    sampler: Sampler

    def __init__(self, model: EmbeddingModel, sampler: Sampler, objective: Objective) -> None:
        super().__init__(model, sampler, objective, None)
        self.loss = PAIR_LOSSES[model.config.loss](model.config)
        self.unique = UniqueRows(len(model.table), model.table.device)

    @torch.no_grad()
    def step(self, batch: Batch) -> Tensor:
        """Take one step and return the loss, a scalar."""
        table = self.model.table.data
        negatives = self.sampler.sample(batch, table)
        assert isinstance(negatives, Negatives)  # noqa: S101 has_closed_form leaves the others out
        rows = Rows.of(batch, negatives, self.model.users)
        nodes, place = self.unique(rows.all())
        final = self.model.final_rows(nodes)
        into = torch.zeros_like(final)
        loss = add_ranking(self.loss, final, rows.placed(place), into)
        gradient = self.model.pull_back_rows(nodes, into)
        loss = loss + add_l2(self.model.config.reg, table, rows, gradient)
        self.model.table.grad = gradient
        self.optimiser.step()
        return loss
