"""The CF models: one table of layer-0 embeddings, users first, and what a model makes of it.

A score is the dot product of a user's and an item's embedding, never squashed: float32 sigmoids
saturate, and the ties would change a ranking.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from hnlm_ray.cf.data import CFData
from hnlm_ray.cf.item_graph import add_neighbours, text_graph
from hnlm_ray.cf.propagation import Adjacency, propagate
from hnlm_ray.config import CFConfig

INITIAL_STD: Final = 0.1


class MF(nn.Module):
    """Matrix factorisation: the table itself (Koren et al., 2009).

    ``table`` is float32[users + items, dim], drawn from N(0, 0.1^2) on the CPU, so that a seed
    means the same start on every device.
    """

    def __init__(self, data: CFData, config: CFConfig, generator: torch.Generator, device: torch.device | str) -> None:
        super().__init__()
        self.users = data.users
        initial = torch.randn(data.users + data.items, config.dim, generator=generator) * INITIAL_STD
        self.table = nn.Parameter(initial.to(device))

    def forward(self) -> Tensor:
        """Return the final embeddings, float32[users + items, dim]."""
        return self.table

    @torch.no_grad()
    def embeddings(self) -> tuple[Tensor, Tensor]:
        """Return copies of the final embeddings, float32[users, dim] and float32[items, dim]."""
        final = self().detach().clone()
        return final[: self.users], final[self.users :]


class LightGCN(MF):
    """LightGCN (He et al., SIGIR 2020): the mean over layers 0..L of the propagated table.

    With ``config.graph`` above 0 each item then gets its text neighbours added (:mod:`hnlm_ray.cf.item_graph`).
    """

    def __init__(self, data: CFData, config: CFConfig, generator: torch.Generator, device: torch.device | str) -> None:
        super().__init__(data, config, generator, device)
        self.layers = config.layers
        self.adjacency = Adjacency(data.train, data.items, device)
        self.graph_weight = config.graph
        self.graph = text_graph(data, config, device) if config.graph else None

    def forward(self) -> Tensor:
        """Return the final embeddings, float32[users + items, dim]."""
        final = propagate(self.table, self.adjacency, self.layers)
        return final if self.graph is None else add_neighbours(final, self.graph, self.graph_weight, self.users)


MODELS: Final[dict[str, type[MF]]] = {"mf": MF, "lightgcn": LightGCN}
