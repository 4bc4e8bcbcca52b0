"""KAR (Xi et al., Towards Open-World Recommendation with Knowledge Augmentation from LLMs, RecSys 2024)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hnlm_ray.cf.data.text import node_text, text_mlp
from hnlm_ray.cf.graph.propagation import Adjacency, propagate, propagated_layers
from hnlm_ray.cf.kernels.initialisation import linear, start_deviation
from hnlm_ray.cf.models.base import PROPAGATED, EmbeddingModel, ModelInputs


class ExpertMixture(nn.Module):
    """One side of the hybrid-expert adaptor: sum over experts of softmax(gate(x)) * expert(x), float32[n, d].

    ``shared`` are the experts of both sides (not registered here), ``own`` those of this side alone.
    """

    def __init__(self, shared: Sequence[nn.Module], own: Sequence[nn.Module], gate: nn.Module) -> None:
        super().__init__()
        self.own, self.gate = nn.ModuleList(own), gate
        self._experts = (*shared, *own)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32[n, d] of float32[n, t]."""
        share = functional.softmax(self.gate(x), dim=1)
        out = torch.zeros((), device=x.device)
        for weight, expert in zip(torch.split(share, 1, dim=1), self._experts, strict=True):
            out = torch.addcmul(out, weight, expert(x))
        return out


class KAR(EmbeddingModel):
    """LightGCN whose layer-0 embedding is the node's row of the table plus text through the hybrid-expert adaptor.

    KAR hands the adapted text to a click model as further features, which meet all others there. Where a score is a
    dot product, a sum gives the same: text of a user meets both ID and text of an item; put side by side, each would
    meet its like alone. Experts are MLPs with a linear last layer (a dot product needs both signs), without dropout.
    Users' text is the mean of their items' where the data gives none; a node without text has its row alone.
    """

    reads_settings = (*PROPAGATED, "text.hidden", "text.shared_experts", "text.own_experts")
    starts_as_lightgcn = True

    def __init__(self, inputs: ModelInputs) -> None:
        super().__init__(inputs)
        data, config, device = inputs.data, self.config, inputs.device
        self.adjacency = Adjacency(data.train, data.items, device, config.precision)
        self.text = node_text(data).to(device).split(self.users)
        self.shared = nn.ModuleList(self._experts(config.text.shared_experts, self.items, inputs))
        self.sides = nn.ModuleList(self._side(rows, inputs) for rows in (self.users, self.items))
        self.to(device)

    def _experts(self, count: int, rows: int, inputs: ModelInputs) -> list[nn.Sequential]:
        config, wide = self.config, self.text[0].vectors.shape[1]
        deviation = start_deviation(config, rows)
        return [text_mlp(wide, config.text.hidden, config.dim, inputs.start, deviation=deviation) for _ in range(count)]

    def _side(self, rows: int, inputs: ModelInputs) -> ExpertMixture:
        own = self._experts(self.config.text.own_experts, rows, inputs)
        gate = linear(self.text[0].vectors.shape[1], len(self.shared) + len(own), 1.0, inputs.start)
        return ExpertMixture([*self.shared], own, gate)

    def layer_0(self) -> Tensor:
        """Return ID plus adapted text, float32[users + items, dim]."""
        adapted = [text.of(side) for text, side in zip(self.text, self.sides, strict=True)]
        return self.table + torch.cat(adapted)

    def forward(self) -> Tensor:
        """Return the final embeddings, float32[users + items, dim]."""
        return propagate(self.layer_0(), self.adjacency, self.config.layers)

    def hops(self) -> Tensor:
        """Return layers 0..L, float32[users + items, L + 1, dim]."""
        return propagated_layers(self.layer_0(), self.adjacency, self.config.layers)
