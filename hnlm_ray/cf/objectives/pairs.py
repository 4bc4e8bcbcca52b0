"""The objective of pairs: L_rank + reg * L2, and with pair vectors + contrastive * L_CL + alignment * L_align.

With ``config.tiers`` text neighbours of positives rank above the negatives too (:mod:`hnlm_ray.cf.objectives.tiers`).

Source: arXiv 2504.04726, semantic alignment and joint training (the alignment term is ours).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.kernels.rows import gather_rows
from hnlm_ray.cf.losses import PAIR_LOSSES, contrastive, l2, leads, mean_over_pairs
from hnlm_ray.cf.objectives.adapted import AdaptedNegatives, Hard
from hnlm_ray.cf.objectives.base import Objective, ObjectiveInputs, Step
from hnlm_ray.cf.samplers import HopNegatives, Negatives


class PairObjective(Objective):
    """The loss of a batch of pairs; each term is left out where its weight is 0.

    L2 takes the layer-0 rows of user, positive and negative: of a negative mixed from the pool, or of layers, the
    mixed row, of one mixed with e_hard the sampled item's row alone (e_hard has no row; the adapter is not decayed).
    Of n negatives a pair all losses and all rows are summed.
    """

    reads_settings: ClassVar[tuple[str, ...]] = ("tiers",)

    def __init__(self, inputs: ObjectiveInputs) -> None:
        super().__init__(inputs)
        self.adapted, self.tiers = inputs.adapted, inputs.tiers
        self.ranking = PAIR_LOSSES[inputs.config.loss](inputs.config)

    def __call__(self, step: Step) -> Tensor:
        """Return the loss of the batch, a scalar."""
        users, batch, negatives = self.data.users, step.batch, step.negatives
        if isinstance(negatives, HopNegatives):
            return self._mixed_hops(step, negatives)
        assert isinstance(negatives, Negatives)  # noqa: S101 the only other kind that pairs take
        rows = triples(step.final, batch, negatives, users)
        loss = self._ranking(*rows) if self.adapted is None else self._semantic(self.adapted, step, rows, negatives)
        if self.tiers is not None:
            loss = loss + self.tiers.loss(step.final, batch, rows[2])
        table = self.model.regularised()
        if table is None or self.config.reg == 0:
            return loss
        layer_0 = rows if step.final is table else triples(table, batch, negatives, users)
        return loss + self.config.reg * l2(*layer_0)

    def _ranking(self, user: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return mean_over_pairs(self.ranking.value(leads(user, positive, negative)))

    def _mixed_hops(self, step: Step, negatives: HopNegatives) -> Tensor:
        assert step.hops is not None  # noqa: S101 the trainer gives them to a sampler that reads them
        user, positive, negative = hop_rows(step.hops, step.batch, negatives, self.data.users)
        loss = self._ranking(user.mean(1), positive.mean(1), negative.mean(1))
        table = self.model.regularised()
        if table is None or self.config.reg == 0:
            return loss
        # Layer 0 may hold more than the table, such as text.
        first = HopNegatives(negatives.items[:, :1], negatives.share[:, :1])
        return loss + self.config.reg * l2(*hop_rows(table.unsqueeze(1), step.batch, first, self.data.users))

    def _semantic(
        self, adapted: AdaptedNegatives, step: Step, rows: tuple[Tensor, Tensor, Tensor], negatives: Negatives
    ) -> Tensor:
        user, positive, negative = rows
        hard = adapted.hard(negatives)
        loss = self._ranking(user, positive, _with_hard(hard, negative, negatives))
        if self.config.contrastive:
            pairs, temperature = hard.pairs, self.config.temperature
            term = contrastive(user[pairs], positive[pairs], hard.contrastive, temperature)
            loss = loss + self.config.contrastive * term
        if adapted.aligns:
            loss = loss + self.config.alignment * adapted.alignment(step.final, step.batch, negatives)
        return loss


class HingeObjective(PairObjective):
    """The same with the hinge, which has a margin."""

    reads_settings = ("tiers", "margin")


def hop_rows(hops: Tensor, batch: Batch, negatives: HopNegatives, users: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the layers of users, positives and mixed negatives, float32[batch, hops, dim] each."""
    nodes, layers, dim = hops.shape
    flat = hops.reshape(nodes, layers * dim)
    by_layer = (users + negatives.items) * layers + torch.arange(layers, device=hops.device)
    user, positive = (rows.view(-1, layers, dim) for rows in gather_rows(flat, batch.users, users + batch.items))
    (hard,) = gather_rows(hops.reshape(nodes * layers, dim), by_layer.reshape(-1))
    share = negatives.share
    return user, positive, share * positive + (1 - share) * hard.view(-1, layers, dim)


def _with_hard(hard: Hard, sampled: Tensor, negatives: Negatives) -> Tensor:
    """Mix e_hard of the pairs that have one with the sampled rows."""
    everyones = torch.zeros_like(sampled).index_copy(0, hard.pairs, hard.ranking)
    return _mixed(everyones, sampled, negatives)


def triples(table: Tensor, batch: Batch, negatives: Negatives, users: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows of users and positives, float32[batch, dim], and of negatives, mixed with the pool's.

    Negatives are float32[batch, dim], or [batch, n, dim] where each pair has n.
    """
    index = [batch.users, users + batch.items, users + negatives.items.reshape(-1)]
    if negatives.pool_items is None:
        user, positive, negative = gather_rows(table, *index)
        return user, positive, negative.view(*negatives.items.shape, -1)
    user, positive, negative, pool = gather_rows(table, *index, users + negatives.pool_items)
    return user, positive, _mixed(pool, negative, negatives)


def _mixed(hard: Tensor, sampled: Tensor, negatives: Negatives) -> Tensor:
    assert negatives.mix is not None  # noqa: S101 a sampler that names hard negatives says how much of them
    mix = negatives.mix[:, None]
    return mix * hard + (1 - mix) * sampled
