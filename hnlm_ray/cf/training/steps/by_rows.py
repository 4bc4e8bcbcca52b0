"""Steps that cost what they touch, where the sampler looks at no embedding.

Of matrix factorisation each row that a batch names is updated once; of a graph model only the batch's nodes are
propagated to the end.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.kernels.optimisers import DeferredAdam
from hnlm_ray.cf.losses import PAIR_LOSSES
from hnlm_ray.cf.models import EmbeddingModel
from hnlm_ray.cf.models.mf import MF
from hnlm_ray.cf.objectives import Objective
from hnlm_ray.cf.samplers import Negatives, Sampler
from hnlm_ray.cf.training.steps.autograd import AutogradSteps
from hnlm_ray.cf.training.steps.closed import Rows, add_l2, add_ranking, has_closed_form
from hnlm_ray.config import CFConfig
from hnlm_ray.config.cf_parts import AdamConfig


class UniqueRows:
    """Finds the different rows among those of a batch, without sorting; keeps int64[rows of the table]."""

    def __init__(self, rows: int, device: torch.device) -> None:
        self.slot = torch.zeros(rows, dtype=torch.int64, device=device)

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return each of ``rows`` (int64[n]) once, and where each entry stands among them, int64[n]."""
        number = torch.arange(len(rows), device=rows.device)
        self.slot.scatter_(0, rows, number)
        last = self.slot.index_select(0, rows)
        chosen = last == number
        rank = chosen.cumsum(0).sub_(1)
        return rows[chosen], rank.index_select(0, last)


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


ROWS_PER_PAIR: Final = 48
"""From so many rows of the table for each pair of a batch on, dense Adam takes longer (measured on CPU)."""


def pays_rowwise(model: EmbeddingModel, sampler: Sampler, config: CFConfig) -> bool:
    """Tell whether such steps are possible and faster than dense ones."""
    possible = isinstance(model, MF) and has_closed_form(model, config) and sampler.reads == "nothing"
    # The sums of missed moves are made for Adam's published settings.
    adam = config.optimiser == "adam" and config.adam == AdamConfig()
    return possible and adam and len(model.table) >= ROWS_PER_PAIR * config.batch_size


class RowwiseSteps:
    """The same steps as :class:`~.closed.ClosedSteps` on the rows of the batch alone; Adam is deferred."""

    def __init__(self, model: EmbeddingModel, sampler: Sampler) -> None:
        self.model, self.sampler = model, sampler
        self.loss = PAIR_LOSSES[model.config.loss](model.config)
        self.adam = DeferredAdam(model.table.data, model.config.lr)
        self.unique = UniqueRows(len(model.table), model.table.device)

    @torch.no_grad()
    def step(self, batch: Batch) -> Tensor:
        """Take one step and return the loss, a scalar."""
        negatives = self.sampler.sample(batch, self.model.table.data)
        assert isinstance(negatives, Negatives)  # noqa: S101 has_closed_form leaves the others out
        rows = Rows.of(batch, negatives, self.model.users)
        touched, place = self.unique(rows.all())
        table = self.adam.open(touched)
        gradient, local = torch.zeros_like(table), rows.placed(place)
        loss = add_ranking(self.loss, table, local, gradient, self.model.config.reg)
        self.adam.close(gradient)
        return loss

    def set_lr(self, lr: float) -> None:
        """Take another learning rate; all rows are up to date between epochs."""
        self.adam.lr = lr

    def end_epoch(self) -> None:
        """Bring every row up to date."""
        self.adam.flush()

    def state_dict(self) -> dict[str, Any]:
        """Return the optimiser's state."""
        return self.adam.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it over."""
        self.adam.load_state_dict(state)
