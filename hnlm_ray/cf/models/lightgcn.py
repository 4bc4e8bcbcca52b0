"""LightGCN (He et al., SIGIR 2020)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from hnlm_ray.cf.graph.item_graph import add_neighbours, text_graph, with_neighbours
from hnlm_ray.cf.graph.propagation import (
    Adjacency,
    mean_of_powers,
    mean_of_rows,
    propagate,
    propagated_layers,
    spread_from_rows,
)
from hnlm_ray.cf.models.base import PROPAGATED, EmbeddingModel, ModelInputs


class LightGCN(EmbeddingModel):
    """The mean over layers 0..L of the propagated table.

    With ``config.graph`` above 0 each item then gets its text neighbours added (:mod:`hnlm_ray.cf.graph.item_graph`).
    """

    reads_settings: ClassVar[tuple[str, ...]] = (*PROPAGATED, "graph")
    starts_as_lightgcn: ClassVar[bool] = True

    def __init__(self, inputs: ModelInputs) -> None:
        super().__init__(inputs)
        config = self.config
        self.layers = config.layers
        self.adjacency = Adjacency(inputs.data.train, inputs.data.items, inputs.device, config.precision)
        self.graph = text_graph(inputs.data, config, inputs.device) if config.graph else None

    def forward(self) -> Tensor:
        """Return the final embeddings, float32[users + items, dim]."""
        final = propagate(self.table, self.adjacency, self.layers)
        return final if self.graph is None else add_neighbours(final, self.graph, self.config.graph, self.users)

    def hops(self) -> Tensor | None:
        """Return layers 0..L, float32[users + items, L + 1, dim]; none with an item graph."""
        return None if self.graph is not None else propagated_layers(self.table, self.adjacency, self.layers)

    @torch.no_grad()
    def pull_back(self, gradient: Tensor) -> Tensor | None:
        """Return the gradient by the same path: the adjacency is symmetric, and so is the item graph."""
        if self.graph is not None:
            gradient = with_neighbours(gradient, self.graph, self.config.graph, self.users)
        return mean_of_powers(self.adjacency, gradient, self.layers)

    @property
    def gives_rows(self) -> bool:
        """Whether there is a last product to make for some rows alone."""
        return self.graph is None and self.layers > 0

    @torch.no_grad()
    def final_rows(self, nodes: Tensor) -> Tensor:
        """Return the final embeddings of some nodes: the last layer's product is that of their rows."""
        return mean_of_rows(self.adjacency, self.table.detach(), self.layers, nodes)

    @torch.no_grad()
    def pull_back_rows(self, nodes: Tensor, gradient: Tensor) -> Tensor:
        """Return the gradient by the same path."""
        return spread_from_rows(self.adjacency, gradient, self.layers, nodes)
