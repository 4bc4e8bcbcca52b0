"""Steps whose gradient is written out: pair losses on models that are linear in their table.

Autograd would record, for one BPR step, a dozen table-sized or batch-sized operations; here each row is read once and
its gradient added once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.losses import PAIR_LOSSES, PairLoss
from hnlm_ray.cf.models import EmbeddingModel
from hnlm_ray.cf.objectives import Objective
from hnlm_ray.cf.samplers import Negatives, Sampler, sampler_class
from hnlm_ray.cf.training.steps.autograd import AutogradSteps
from hnlm_ray.config import CFConfig

ROWS_TO_ZERO_ALL: Final = 6
"""Up to so many rows of a table for each touched one, zeroing all takes less time (measured on CPU)."""


@dataclass(frozen=True)
class Rows:
    """Which rows of a table a batch takes: int64[batch], ``negatives`` also int64[batch, n].

    With ``pool`` (int64[batch]) and ``mix`` (float32[batch, 1]) a negative is mix * pool + (1 - mix) * negative.
    """

    users: Tensor
    positives: Tensor
    negatives: Tensor
    pool: Tensor | None
    mix: Tensor | None

    @classmethod
    def of(cls, batch: Batch, negatives: Negatives, users: int) -> Rows:
        """Return the rows in a table that holds users first."""
        mix = None if negatives.mix is None else negatives.mix.unsqueeze(1)
        pool = None if negatives.pool_items is None else users + negatives.pool_items
        return cls(batch.users, users + batch.items, users + negatives.items, pool, mix)

    def all(self) -> Tensor:
        """Return them one after the other, int64[rows]."""
        parts = [self.users, self.positives, self.negatives.reshape(-1)]
        return torch.cat(parts if self.pool is None else [*parts, self.pool])

    def placed(self, place: Tensor) -> Rows:
        """Return rows of another table: ``place`` (int64) has theirs in the order of :meth:`all`."""
        sizes = [len(self.users), len(self.positives), self.negatives.numel()]
        users, positives, negatives, *pool = torch.split(place, [*sizes, len(place) - sum(sizes)])
        return Rows(
            users, positives, negatives.view_as(self.negatives), None if self.pool is None else pool[0], self.mix
        )

    def read(self, table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return users, positives and (mixed) negatives, float32[batch, dim], or [batch, n, dim]."""
        user, positive = table.index_select(0, self.users), table.index_select(0, self.positives)
        negative = table.index_select(0, self.negatives.reshape(-1)).view(*self.negatives.shape, -1)
        if self.pool is not None and self.mix is not None:
            negative = torch.lerp(negative, table.index_select(0, self.pool), self.mix)
        return user, positive, negative

    def add(self, into: Tensor, user: Tensor, positive: Tensor, negative: Tensor) -> None:
        """Add gradients of what :meth:`read` gives, in place; the last is overwritten."""
        _add(into, self.users, user)
        _add(into, self.positives, positive)
        if self.pool is not None and self.mix is not None:
            _add(into, self.pool, negative * self.mix)
            negative = negative.mul_(1 - self.mix)
        _add(into, self.negatives.reshape(-1), negative.reshape(-1, into.shape[1]))


def _add(into: Tensor, rows: Tensor, values: Tensor) -> None:
    # An expanded index takes scatter_add's fast path; index_add_ on CPU goes row by row.
    into.scatter_add_(0, rows[:, None].expand_as(values), values)


def add_ranking(loss: PairLoss, table: Tensor, rows: Rows, into: Tensor, reg: float = 0.0) -> Tensor:
    """Add the gradient of the mean loss over pairs (n negatives summed) and return the loss, a scalar.

    With g the slope at s(u, j) - s(u, i): g (j - i) for the user, -g u for the positive, g u for the negative. With
    ``reg``, reg / (2 pairs) times the squared norm of the rows counts as well: of a model that is its table.
    """
    read = rows.read(table)
    value, gradients = (_of_one if read[2].dim() == 2 else _of_many)(loss, *read)
    if reg:
        scale = reg / len(read[0])
        value = value + _squares(read) * (scale / 2)
        for gradient, row in zip(gradients, read, strict=True):
            gradient.add_(row, alpha=scale)
    rows.add(into, *gradients)
    return value


Triple = tuple[Tensor, Tensor, Tensor]


def _of_one(loss: PairLoss, user: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Triple]:
    apart = negative - positive
    lead = (user * apart).sum(1)
    slope = loss.slope(lead).div_(len(user)).unsqueeze(1)
    of_negative = user * slope
    return loss.value(lead).mean(), (apart.mul_(slope), -of_negative, of_negative)


def _of_many(loss: PairLoss, user: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Triple]:
    lead = (negative @ user.unsqueeze(2)).squeeze(2) - (user * positive).sum(1, keepdim=True)
    slope = loss.slope(lead).div_(len(user))
    whole = slope.sum(1, keepdim=True)
    of_user = torch.bmm(slope.unsqueeze(1), negative).squeeze(1).addcmul_(positive, whole, value=-1)
    return loss.value(lead).sum() / len(user), (of_user, user * -whole, slope.unsqueeze(2) * user.unsqueeze(1))


def _squares(parts: Triple) -> Tensor:
    return torch.stack([torch.dot(part.reshape(-1), part.reshape(-1)) for part in parts]).sum()


def add_l2(weight: float, table: Tensor, rows: Rows, into: Tensor) -> Tensor | float:
    """Add the gradient of weight / (2 pairs) times the squared norm of the batch's rows and return that, a scalar."""
    if weight == 0:
        return 0.0
    parts = rows.read(table)
    scale = weight / len(parts[0])
    squares = _squares(parts)
    user, positive, negative = (part.mul_(scale) for part in parts)
    rows.add(into, user, positive, negative)
    return squares * (scale / 2)


def has_closed_form(model: EmbeddingModel, config: CFConfig) -> bool:
    """Tell whether model, sampler and loss of a training have a gradient written out here."""
    sampler = sampler_class(config.sampler)
    sampled = sampler.reads != "hops" and not sampler.adapts_vectors
    return is_linear(model, config) and sampled and config.loss in PAIR_LOSSES and not config.tiers


def is_linear(model: EmbeddingModel, config: CFConfig) -> bool:
    """Tell whether the final embeddings are linear in the table, which is all that is learnt."""
    linear = type(model).pull_back is not EmbeddingModel.pull_back and not config.bias
    return linear and type(model).auxiliary is EmbeddingModel.auxiliary


class ClosedSteps(AutogradSteps):
    """The same steps as :class:`AutogradSteps`, the gradient written out; the table's gradient is set as there."""

    sampler: Sampler

    def __init__(self, model: EmbeddingModel, sampler: Sampler, objective: Objective) -> None:
        super().__init__(model, sampler, objective, None)
        self.loss = PAIR_LOSSES[model.config.loss](model.config)
        self.buffer = torch.zeros_like(model.table.detach())
        self.dirty: Tensor | None = None

    @torch.no_grad()
    def step(self, batch: Batch) -> Tensor:
        """Take one step and return the loss, a scalar."""
        table, final = self.model.table.data, self.model().detach()
        negatives = self.sampler.sample(batch, final)
        assert isinstance(negatives, Negatives)  # noqa: S101 has_closed_form leaves the others out
        rows = Rows.of(batch, negatives, self.model.users)
        self._clean(rows.all())
        at_once = final.data_ptr() == table.data_ptr()
        loss = add_ranking(self.loss, final, rows, self.buffer, self.model.config.reg if at_once else 0.0)
        gradient = self.model.pull_back(self.buffer)
        assert gradient is not None  # noqa: S101 has_closed_form made sure
        if not at_once:
            loss = loss + add_l2(self.model.config.reg, table, rows, gradient)
        self.model.table.grad = gradient
        self.optimiser.step()
        return loss

    def _clean(self, coming: Tensor) -> None:
        """Zero the rows that the last step wrote; of a model that is its table the buffer is the table's gradient."""
        if self.dirty is not None and len(self.buffer) > ROWS_TO_ZERO_ALL * len(self.dirty):
            self.buffer.index_fill_(0, self.dirty, 0)
        else:
            self.buffer.zero_()
        self.dirty = coming
