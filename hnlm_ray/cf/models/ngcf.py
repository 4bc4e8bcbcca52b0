"""NGCF (Wang et al., SIGIR 2019)."""

from __future__ import annotations

from torch import Tensor, nn

from hnlm_ray.cf.graph.ngcf_layers import Dropout, interaction_layers
from hnlm_ray.cf.graph.propagation import Adjacency
from hnlm_ray.cf.kernels.initialisation import glorot_uniform
from hnlm_ray.cf.models.base import PROPAGATED, EmbeddingModel, ModelInputs


class NGCF(EmbeddingModel):
    """Layers 0..L side by side: E_l = LeakyReLU((A + I) E_(l-1) W1 + (A E_(l-1)) * E_(l-1) W2).

    This is the paper's equation 7 (and 8 with its A, symmetrically normalised): one LeakyReLU (slope 0.2) over the sum
    of both messages and no biases, where the authors' code has an activation and a bias for each and normalises A + I
    by rows. As there, entries of a layer's output are dropped (``config.dropout``) before the next layer reads it, and
    the rows of layers 1..L have unit length in the final embedding.

    ``weights`` float32[L, 2, dim, dim] are W1 and W2, uniform as by Glorot & Bengio.
    """

    reads_settings = (*PROPAGATED, "dropout")

    def __init__(self, inputs: ModelInputs) -> None:
        super().__init__(inputs)
        config, self.generator = self.config, inputs.noise
        self.adjacency = Adjacency(inputs.data.train, inputs.data.items, inputs.device, config.precision)
        initial = glorot_uniform((config.layers, 2, config.dim, config.dim), inputs.start)
        self.weights = nn.Parameter(initial.to(inputs.device))

    @property
    def width(self) -> int:
        """Length of a final embedding."""
        return self.config.dim * (self.config.layers + 1)

    def forward(self) -> Tensor:
        """Return the final embeddings, float32[users + items, dim * (L + 1)]; in training with dropped messages."""
        dropout = Dropout(self.config.dropout if self.training else 0.0, self.generator)
        return interaction_layers(self.table, self.weights, self.adjacency, dropout)
