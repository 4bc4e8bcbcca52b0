"""ID and text: the plain way to give a recommender its text (as VBPR, He and McAuley, AAAI 2016, does images)."""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.cf.data.text import given_user_text, item_text, text_mlp
from hnlm_ray.cf.graph.propagation import Adjacency, propagate, propagated_layers
from hnlm_ray.cf.kernels.initialisation import start_deviation
from hnlm_ray.cf.models.base import PROPAGATED, EmbeddingModel, ModelInputs


class IDText(EmbeddingModel):
    """LightGCN whose layer-0 embedding is the node's row of the table plus MLP(text); with 0 layers MF.

    Users have their row alone, as in VBPR, unless the data gives them a text of their own: an MLP of theirs then reads
    it. The mean of their items' text is not put in: propagation brings it. A node without text has its row alone.
    """

    reads_settings = (*PROPAGATED, "text.hidden")
    starts_as_lightgcn = True

    def __init__(self, inputs: ModelInputs) -> None:
        super().__init__(inputs)
        data, config, device = inputs.data, self.config, inputs.device
        self.adjacency = Adjacency(data.train, data.items, device, config.precision)
        self.item_text, of_users = item_text(data).to(device), given_user_text(data)
        wide = self.item_text.vectors.shape[1]
        deviation = start_deviation(config, self.items)
        self.of_items = text_mlp(wide, config.text.hidden, config.dim, inputs.start, deviation=deviation).to(device)
        self.user_text = None if of_users is None else of_users.to(device)
        if self.user_text is not None:
            deviation = start_deviation(config, self.users)
            self.of_users = text_mlp(wide, config.text.hidden, config.dim, inputs.start, deviation=deviation).to(device)

    def layer_0(self) -> Tensor:
        """Return ID plus text, float32[users + items, dim]."""
        users, items = self.table[: self.users], self.table[self.users :]
        if self.user_text is not None:
            users = users + self.user_text.of(self.of_users)
        return torch.cat([users, items + self.item_text.of(self.of_items)])

    def forward(self) -> Tensor:
        """Return the final embeddings, float32[users + items, dim]."""
        return propagate(self.layer_0(), self.adjacency, self.config.layers)

    def hops(self) -> Tensor:
        """Return layers 0..L, float32[users + items, L + 1, dim]."""
        return propagated_layers(self.layer_0(), self.adjacency, self.config.layers)
