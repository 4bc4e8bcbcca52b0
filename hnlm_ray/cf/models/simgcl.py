"""SimGCL (Yu et al., SIGIR 2022): propagation without layer 0, and the contrast of two perturbed passes."""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.graph.propagation import Adjacency, product, product_rows, propagate
from hnlm_ray.cf.kernels.noise import add_noise
from hnlm_ray.cf.kernels.rows import gather_rows
from hnlm_ray.cf.losses.pairwise import contrast, contrasted_nodes
from hnlm_ray.cf.models.base import PROPAGATED, EmbeddingModel, ModelInputs


class SimGCL(EmbeddingModel):
    """The mean over layers 1..L; InfoNCE between two passes whose layers have noise of length ``config.ssl.noise``.

    The contrast is that of the batch's users, each once, plus that of its items.
    """

    reads_settings = (*PROPAGATED, "ssl.weight", "ssl.temperature", "ssl.noise")

    def __init__(self, inputs: ModelInputs) -> None:
        super().__init__(inputs)
        self.layers, self.generator = self.config.layers, inputs.noise
        self.adjacency = Adjacency(inputs.data.train, inputs.data.items, inputs.device, self.config.precision)
        self.first_layer: Tensor | None = None

    def forward(self) -> Tensor:
        """Return the final embeddings, float32[users + items, dim], without noise."""
        first = product(self.table, self.adjacency)
        # Both perturbed passes of a step start from the same product.
        self.first_layer = first.detach() if self.training and self.config.ssl.weight else None
        return propagate(first, self.adjacency, self.layers - 1)

    def auxiliary(self, final: Tensor, batch: Batch) -> Tensor | None:
        """Return ``ssl.weight`` times the contrast, a scalar.

        sign(e) has no slope, so a perturbed pass is ``final`` plus what is constant: its gradient is that of ``final``,
        and one way back through the layers serves the ranking loss and both views.
        """
        settings = self.config.ssl
        if not settings.weight:
            return None
        nodes, users = contrasted_nodes(batch, self.users)
        (own,) = gather_rows(final, nodes)
        first, second = (own + (self._perturbed(nodes) - own.detach()) for _ in range(2))
        return settings.weight * contrast(first, second, users, settings.temperature)

    @torch.no_grad()
    def _perturbed(self, nodes: Tensor) -> Tensor:
        """Return rows of a pass with noise in each layer, float32[n, dim] of ``nodes`` int64[n]."""
        assert self.first_layer is not None  # noqa: S101 forward of this step has kept it
        layer, length = self.first_layer, self.config.ssl.noise
        total = layer.new_zeros(len(nodes), layer.shape[1])
        for number in range(1, self.layers):
            layer = layer.clone() if number == 1 else product(layer, self.adjacency)
            add_noise(layer, length, self.generator)
            total += layer.index_select(0, nodes)
        # Of the last layer only these rows are read.
        last = layer.index_select(0, nodes) if self.layers == 1 else product_rows(layer, self.adjacency, nodes)
        add_noise(last, length, self.generator)
        return (total + last) / self.layers
