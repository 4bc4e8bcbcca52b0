"""What a step minimises: L_rank + reg * L2, and with pair vectors + contrastive * L_CL + alignment * L_align.

Source: arXiv 2504.04726, semantic alignment and joint training (the alignment term is ours).
"""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.cf.adapted import AdaptedNegatives, Hard
from hnlm_ray.cf.gather import gather_rows
from hnlm_ray.cf.losses import LOSSES, contrastive, l2
from hnlm_ray.cf.models import MF
from hnlm_ray.cf.samplers import Batch, Negatives
from hnlm_ray.config import CFConfig


class Objective:
    """The loss of a batch; each term is left out where its weight is 0.

    L2 takes the layer-0 rows of user, positive and negative: of a negative mixed from the pool the mixed
    row, of one mixed with e_hard the sampled item's row alone (e_hard has no row; the adapter is not decayed).
    """

    def __init__(self, config: CFConfig, model: MF, adapted: AdaptedNegatives | None) -> None:
        self.config, self.model, self.adapted = config, model, adapted
        self.ranking = LOSSES[config.loss](config)

    def __call__(self, final: Tensor, batch: Batch, negatives: Negatives) -> Tensor:
        """Return the loss, a scalar; ``final`` are the model's embeddings, float32[users + items, dim]."""
        table, users = self.model.table, self.model.users
        rows = _triples(final, batch, negatives, users)
        layer_0 = rows if final is table else _triples(table, batch, negatives, users)
        regularised = self.config.reg * l2(*layer_0)
        if self.adapted is None:
            return self.ranking(*rows) + regularised
        return self._semantic(self.adapted, final, rows, batch, negatives) + regularised

    def _semantic(
        self,
        adapted: AdaptedNegatives,
        final: Tensor,
        rows: tuple[Tensor, Tensor, Tensor],
        batch: Batch,
        negatives: Negatives,
    ) -> Tensor:
        user, positive, negative = rows
        hard = adapted.hard(negatives)
        loss = self.ranking(user, positive, _with_hard(hard, negative, negatives))
        if self.config.contrastive:
            pairs, temperature = hard.pairs, self.config.temperature
            term = contrastive(user[pairs], positive[pairs], hard.contrastive, temperature)
            loss = loss + self.config.contrastive * term
        if adapted.aligns:
            loss = loss + self.config.alignment * adapted.alignment(final, batch, negatives)
        return loss


def negative_rows(
    final: Tensor, batch: Batch, negatives: Negatives, users: int, adapted: AdaptedNegatives | None
) -> Tensor:
    """Return the negatives as the ranking loss sees them, mixed, float32[batch, dim]."""
    negative = _triples(final, batch, negatives, users)[2]
    return negative if adapted is None else _with_hard(adapted.hard(negatives), negative, negatives)


def _with_hard(hard: Hard, sampled: Tensor, negatives: Negatives) -> Tensor:
    """Mix e_hard of the pairs that have one with the sampled rows."""
    everyones = torch.zeros_like(sampled).index_copy(0, hard.pairs, hard.ranking)
    return _mixed(everyones, sampled, negatives)


def _triples(table: Tensor, batch: Batch, negatives: Negatives, users: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows of users, positives and negatives (mixed with the pool's), float32[batch, dim] each."""
    index = [batch.users, users + batch.items, users + negatives.items]
    if negatives.pool_items is None:
        user, positive, negative = gather_rows(table, *index)
        return user, positive, negative
    user, positive, negative, pool = gather_rows(table, *index, users + negatives.pool_items)
    return user, positive, _mixed(pool, negative, negatives)


def _mixed(hard: Tensor, sampled: Tensor, negatives: Negatives) -> Tensor:
    assert negatives.mix is not None  # noqa: S101 a sampler that names hard negatives says how much of them
    mix = negatives.mix[:, None]
    return mix * hard + (1 - mix) * sampled
