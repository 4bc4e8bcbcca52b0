"""SGL (Wu et al., SIGIR 2021): LightGCN and the contrast of two views of the graph."""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.graph.propagation import SymmetricMatrix, propagated_rows
from hnlm_ray.cf.graph.views import GraphViews
from hnlm_ray.cf.losses.pairwise import contrast, contrasted_nodes
from hnlm_ray.cf.models.base import PROPAGATED, ModelInputs
from hnlm_ray.cf.models.lightgcn import LightGCN


class SGL(LightGCN):
    """LightGCN on the whole graph; InfoNCE between its embeddings on two views, drawn anew for each epoch.

    A view leaves out edges or nodes (``config.ssl.views``) and serves all layers. The contrast is that of the batch's
    users, each once, plus that of its items.
    """

    reads_settings = (*PROPAGATED, "ssl.weight", "ssl.temperature", "ssl.views", "ssl.drop")
    starts_as_lightgcn = False

    def __init__(self, inputs: ModelInputs) -> None:
        super().__init__(inputs)
        self.generator = inputs.noise
        self.graph_views = GraphViews(self.adjacency, inputs.data.train, self.config.precision)
        self.views: tuple[SymmetricMatrix, SymmetricMatrix] | None = None

    @torch.no_grad()
    def start_epoch(self) -> None:
        """Draw two views; none where the contrast has no weight."""
        settings = self.config.ssl
        if not settings.weight:
            return
        draw = {"edge": self.graph_views.without_edges, "node": self.graph_views.without_nodes}[settings.views]
        self.views = draw(settings.drop, self.generator), draw(settings.drop, self.generator)

    def auxiliary(self, final: Tensor, batch: Batch) -> Tensor | None:
        """Return ``ssl.weight`` times the contrast, a scalar; :meth:`start_epoch` has drawn the views."""
        del final
        settings = self.config.ssl
        if not settings.weight:
            return None
        assert self.views is not None  # noqa: S101 an epoch starts before its steps
        nodes, users = contrasted_nodes(batch, self.users)
        first, second = (propagated_rows(self.table, view, self.layers, nodes) for view in self.views)
        return settings.weight * contrast(first, second, users, settings.temperature)
