"""XSimGCL (Yu et al., TKDE 2023): one perturbed pass, and the contrast of one of its layers with the final mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.graph.propagation import Adjacency, SymmetricMatrix, product, propagate
from hnlm_ray.cf.kernels.noise import add_noise
from hnlm_ray.cf.kernels.rows import gather_rows
from hnlm_ray.cf.losses.pairwise import contrast, contrasted_nodes
from hnlm_ray.cf.models.base import PROPAGATED, EmbeddingModel, ModelInputs


class _PerturbedPass(torch.autograd.Function):
    """The mean over layers 1..L and one of these layers, with one way back through the layers for both."""

    @staticmethod
    def forward(  # noqa: PLR0917 autograd passes them by position
        ctx: Any,  # noqa: ANN401 autograd's own
        x: Tensor,
        adjacency: SymmetricMatrix,
        layers: int,
        chosen: int,
        perturb: Callable[[Tensor], None],
    ) -> tuple[Tensor, Tensor]:
        ctx.adjacency, ctx.layers, ctx.chosen = adjacency, layers, chosen
        total, kept = torch.zeros_like(x), x
        for number in range(1, layers + 1):
            x = product(x, adjacency)
            perturb(x)
            total.add_(x)
            kept = x if number == chosen else kept
        return total.div_(layers), kept

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:  # noqa: ANN401 autograd's own
        # sign(e) has no slope: noise is constant, and what is left is A^l.
        each, of_chosen = gradients[0] / ctx.layers, gradients[1]
        back = each
        for number in range(ctx.layers, 0, -1):
            back = back if number == ctx.layers else back.add_(each)
            back = product(back + of_chosen if number == ctx.chosen else back, ctx.adjacency)
        return back, None, None, None, None


class XSimGCL(EmbeddingModel):
    """The mean over layers 1..L, in training with noise of length ``config.ssl.noise`` in each.

    InfoNCE is between the final embedding and layer ``config.ssl.layer`` of the same pass, for the batch's users, each
    once, plus for its items.
    """

    reads_settings = (*PROPAGATED, "ssl.weight", "ssl.temperature", "ssl.noise", "ssl.layer")

    def __init__(self, inputs: ModelInputs) -> None:
        super().__init__(inputs)
        self.layers, self.generator = self.config.layers, inputs.noise
        self.adjacency = Adjacency(inputs.data.train, inputs.data.items, inputs.device, self.config.precision)
        self.chosen: Tensor | None = None

    def forward(self) -> Tensor:
        """Return the final embeddings, float32[users + items, dim]; in training the layer for the contrast is kept."""
        if not self.training:
            return propagate(product(self.table, self.adjacency), self.adjacency, self.layers - 1)
        settings = (self.adjacency, self.layers, self.config.ssl.layer, self._perturb)
        final: Tensor
        final, self.chosen = _PerturbedPass.apply(self.table, *settings)  # type: ignore[no-untyped-call] # torch
        return final

    def _perturb(self, layer: Tensor) -> None:
        add_noise(layer, self.config.ssl.noise, self.generator)

    def auxiliary(self, final: Tensor, batch: Batch) -> Tensor | None:
        """Return ``ssl.weight`` times the contrast, a scalar."""
        settings = self.config.ssl
        if not settings.weight:
            return None
        assert self.chosen is not None  # noqa: S101 forward of this step has kept it
        nodes, users = contrasted_nodes(batch, self.users)
        (first,), (second,) = gather_rows(final, nodes), gather_rows(self.chosen, nodes)
        self.chosen = None
        return settings.weight * contrast(first, second, users, settings.temperature)
