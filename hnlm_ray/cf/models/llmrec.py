"""LLMRec (Wei et al., LLMRec: Large Language Models with Graph Augmentation for Recommendation, WSDM 2024)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import contains
from hnlm_ray.cf.kernels.rows import gather_rows
from hnlm_ray.cf.losses import bpr, l2, leads
from hnlm_ray.cf.models.base import PROPAGATED, ModelInputs
from hnlm_ray.cf.models.lightgcn import LightGCN
from hnlm_ray.config import CFConfig


class LLMRec(LightGCN):
    """LightGCN, and BPR of the LLM's triples (user, preferred item, rejected item) beside the batch.

    A step draws ``config.text.triples`` of its pairs as so many triples, uniformly (with replacement), and leaves out
    ``config.text.prune`` of them: those with the highest losses, the noisiest. (The authors' code takes the triple of
    that share of the batch's users, and prunes pairs and triples together; here all pairs count, so that what is
    compared with LightGCN is what the LLM adds.) The rest count like pairs of the batch,
    in the loss and in L2, whatever the ranking loss; scores are those that this loss compares. Of LLMRec this is the
    augmentation of interactions; its features of profiles and attributes are not part.

    Attributes
    ----------
    dropped
        Triples left out, because the rejected item is a training positive of the user or the preferred one.

    Raises
    ------
    InputError
        There is no triple to train on.
    """

    reads_settings = (*PROPAGATED, "text.triples", "text.prune")

    def __init__(self, inputs: ModelInputs) -> None:
        super().__init__(inputs)
        triples, given = _usable(inputs.data)
        self.dropped = given - len(triples)
        self.triples, self.noise = torch.from_numpy(triples).to(inputs.device), inputs.noise
        self.cosine, self.temperature = _comparison(self.config)

    def auxiliary(self, final: Tensor, batch: Batch) -> Tensor | None:
        """Return the losses of the triples kept over the batch size, a scalar; none where it takes no triple."""
        drawn = self._draw(len(batch.users))
        if len(drawn) == 0:
            return None
        losses = bpr(self._leads(final, drawn))
        kept = self._kept(losses.detach())
        loss = losses[kept].sum() / len(batch.users)
        if self.config.reg == 0:
            return loss
        share = len(kept) / len(batch.users)
        return loss + self.config.reg * share * l2(*gather_rows(self.table, *self._nodes(drawn[kept])))

    def _draw(self, pairs: int) -> Tensor:
        count = int(self.config.text.triples * pairs)
        places = torch.randint(len(self.triples), (count,), generator=self.noise, device=self.triples.device)
        return self.triples[places]

    def _kept(self, losses: Tensor) -> Tensor:
        kept = max(1, round((1 - self.config.text.prune) * len(losses)))
        return torch.topk(losses, kept, largest=False).indices

    def _leads(self, final: Tensor, triples: Tensor) -> Tensor:
        rows = gather_rows(final, *self._nodes(triples))
        user, preferred, rejected = (functional.normalize(row, dim=1) for row in rows) if self.cosine else rows
        return leads(user, preferred, rejected) / self.temperature

    def _nodes(self, triples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        user, preferred, rejected = triples.T
        return user, self.users + preferred, self.users + rejected


def _usable(data: CFData) -> tuple[NDArray[np.int64], int]:
    """Return the triples that don't contradict training, and how many were given."""
    if data.triples is None or len(data.triples) == 0:
        raise InputError("cf.model 'llmrec' needs augmented triples and the data has none; give them or use lightgcn")
    users, preferred, rejected = data.triples.T
    known = contains(data.train.keys(data.items), users * data.items + rejected)
    usable = data.triples[~known & (preferred != rejected)]
    if len(usable) == 0:
        raise InputError(
            f"each of the {len(data.triples)} triples rejects a training positive of its user or the item it prefers; "
            "give others"
        )
    return usable, len(data.triples)


def _comparison(config: CFConfig) -> tuple[bool, float]:
    """Return whether the ranking loss compares cosines, and the temperature that it divides them by."""
    if config.loss in {"softmax", "sampled_softmax"}:
        return config.softmax.similarity == "cosine", config.softmax.temperature
    return config.loss == "sfcml", 1.0
