"""Matrix factorisation (Koren et al., Computer 2009), with or without biases."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hnlm_ray.cf.models.base import TABLE, EmbeddingModel, ModelInputs


class MF(EmbeddingModel):
    """The table itself; with ``config.bias`` a score is <u, i> + b_u + b_i.

    The biases (float32[users + items], 0 at the start) are two further columns: [e_u, b_u, 1] and [e_i, 1, b_i].
    """

    reads_settings = (*TABLE, "bias")

    def __init__(self, inputs: ModelInputs) -> None:
        super().__init__(inputs)
        rows = self.users + self.items
        self.bias = nn.Parameter(torch.zeros(rows, 1, device=inputs.device)) if self.config.bias else None

    @property
    def width(self) -> int:
        """Length of a final embedding."""
        return self.config.dim + (0 if self.bias is None else 2)

    def forward(self) -> Tensor:
        """Return the final embeddings, float32[users + items, width]."""
        if self.bias is None:
            return self.table
        one = torch.ones_like(self.bias)
        of_users = torch.cat([self.bias, one], 1)[: self.users]
        of_items = torch.cat([one, self.bias], 1)[self.users :]
        return torch.cat([self.table, torch.cat([of_users, of_items])], 1)

    def hops(self) -> Tensor | None:
        """Return the table as the only layer, float32[users + items, 1, dim]; none with biases."""
        return None if self.config.bias else self.table.unsqueeze(1)

    def pull_back(self, gradient: Tensor) -> Tensor | None:
        """Return the gradient as it is; none with biases."""
        return None if self.config.bias else gradient
