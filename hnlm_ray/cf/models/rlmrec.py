"""RLMRec (Ren et al., Representation Learning with Large Language Models for Recommendation, WWW 2024)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.data.text import node_text, text_mlp
from hnlm_ray.cf.graph.propagation import propagate
from hnlm_ray.cf.kernels.initialisation import start_token
from hnlm_ray.cf.kernels.rows import gather_rows
from hnlm_ray.cf.losses.pairwise import info_nce
from hnlm_ray.cf.models.base import PROPAGATED, ModelInputs
from hnlm_ray.cf.models.lightgcn import LightGCN


def meeting_text(rows: Tensor, text: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE of rows with their texts by cosine, float32[n, d] each; 0 of no rows."""
    return info_nce(rows, text, temperature) if len(rows) else rows.new_zeros(())


class RLMRecCon(LightGCN):
    """LightGCN, and InfoNCE of final embeddings with MLP(text): of users, of positives and of negatives of a batch.

    As in the paper the three are contrasted apart, and their means added. Each node counts once, and only those with a
    text; users are contrasted with those of the batch (in the authors' code with all). The paper's negatives are
    uniform, so as many uniform items as there are pairs stand for them whatever the sampler: a loss may draw none, and
    items that are no positives must meet their text as well. Users' text as in :func:`hnlm_ray.cf.data.text.user_text`.
    """

    reads_settings = (*PROPAGATED, "text.hidden", "text.weight", "text.temperature")

    def __init__(self, inputs: ModelInputs) -> None:
        super().__init__(inputs)
        self.settings, self.noise = self.config.text, inputs.noise
        self.text = node_text(inputs.data).to(inputs.device)
        wide = self.text.vectors.shape[1]
        self.mlp = text_mlp(wide, self.settings.hidden, self.config.dim, inputs.start, deviation=None).to(inputs.device)

    def auxiliary(self, final: Tensor, batch: Batch) -> Tensor | None:
        """Return the weighted contrast, a scalar; none where its weight is 0."""
        if self.settings.weight == 0:
            return None
        uniform = torch.randint(self.items, batch.items.shape, generator=self.noise, device=batch.items.device)
        sides = (batch.users, self.users + batch.items, self.users + uniform)
        nodes = [self._with_text(torch.unique(side)) for side in sides]
        terms = [
            meeting_text(rows, self.mlp(self.text.vectors.index_select(0, side)), self.settings.temperature)
            for rows, side in zip(gather_rows(final, *nodes), nodes, strict=True)
        ]
        return self.settings.weight * torch.stack(terms).sum()

    def _with_text(self, nodes: Tensor) -> Tensor:
        return nodes[self.text.present[nodes]]


class RLMRecGen(LightGCN):
    """LightGCN on a table that has a share of its rows masked in training; their text is found again.

    Each pass replaces the rows of ``config.text.mask`` of all nodes, drawn uniformly, by a learnt token that starts as
    an item's row does: the authors' zeros leave a masked node without edges at 0, where a cosine has no slope
    (gradients of 1e9, and Adam then holds token and biases still). MLP(final embedding) of a masked node is contrasted
    with its text against those of the other masked nodes (InfoNCE by cosine). Of more than ``config.batch_size`` masked
    nodes with a text so many, at random, are contrasted: what is compared grows with the square. It has no layers to
    mix: each reading would need the same mask.
    """

    reads_settings = (*PROPAGATED, "text.hidden", "text.weight", "text.temperature", "text.mask")

    def __init__(self, inputs: ModelInputs) -> None:
        super().__init__(inputs)
        self.settings, self.noise = self.config.text, inputs.noise
        self.text = node_text(inputs.data).to(inputs.device)
        self.token = nn.Parameter(start_token(self.config, self.items, inputs.start).to(inputs.device))
        wide = self.text.vectors.shape[1]
        self.mlp = text_mlp(self.config.dim, self.settings.hidden[::-1], wide, inputs.start, deviation=None).to(
            inputs.device
        )
        self.masked = torch.empty(0, dtype=torch.int64, device=inputs.device)

    def forward(self) -> Tensor:
        """Return the final embeddings, float32[users + items, dim]; of a newly masked table in training mode."""
        if not self.training:
            return super().forward()
        nodes = len(self.table)
        order = torch.randperm(nodes, generator=self.noise, device=self.table.device)
        self.masked = order[: max(1, int(self.settings.mask * nodes))]
        table = self.table.index_copy(0, self.masked, self.token.expand(len(self.masked), -1))
        return propagate(table, self.adjacency, self.layers)

    def hops(self) -> None:
        """Return none."""

    def auxiliary(self, final: Tensor, batch: Batch) -> Tensor | None:
        """Return the weighted reconstruction of the rows that the last pass masked, a scalar; none of weight 0."""
        del batch
        if self.settings.weight == 0:
            return None
        nodes = self.masked[self.text.present[self.masked]][: self.config.batch_size]
        found = self.mlp(gather_rows(final, nodes)[0])
        text = self.text.vectors.index_select(0, nodes)
        return self.settings.weight * meeting_text(found, text, self.settings.temperature)
