"""AlphaRec (Sheng et al., Language Representations Can be What Recommenders Need, ICLR 2025)."""

from __future__ import annotations

from torch import Tensor

from hnlm_ray.cf.data.text import node_text, text_mlp
from hnlm_ray.cf.graph.propagation import Adjacency, propagate
from hnlm_ray.cf.kernels.initialisation import start_deviation
from hnlm_ray.cf.models.base import EmbeddingModel, ModelInputs


class AlphaRec(EmbeddingModel):
    """MLP(text), propagated as LightGCN does; no ID embeddings, so ``config.reg`` has nothing to take.

    One MLP reads users and items; a user's text is the mean of their items' where the data gives none. A node without
    text starts at 0. The paper trains it by sampled softmax: cosine, temperature .15 to .2, 256 negatives, 2 layers.
    """

    reads_settings = ("dim", "epochs", "layers", "precision", "text.hidden")

    def __init__(self, inputs: ModelInputs) -> None:
        super().__init__(inputs)
        del self.table
        data, config, device = inputs.data, self.config, inputs.device
        self.adjacency = Adjacency(data.train, data.items, device, config.precision)
        self.text = node_text(data).to(device)
        wide, deviation = self.text.vectors.shape[1], start_deviation(config, self.items)
        self.mlp = text_mlp(wide, config.text.hidden, config.dim, inputs.start, deviation=deviation).to(device)

    def forward(self) -> Tensor:
        """Return the final embeddings, float32[users + items, dim]."""
        return propagate(self.text.of(self.mlp), self.adjacency, self.config.layers)

    def regularised(self) -> None:
        """Return none: there is no table."""
