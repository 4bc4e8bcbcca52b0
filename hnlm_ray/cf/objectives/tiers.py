"""Tiers: a text neighbour of what a user liked is to rank above the sampled negative.

That the positive ranks above the negative is the ranking loss's; nothing puts the neighbour below the positive.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.observed import Observed
from hnlm_ray.cf.kernels.neighbours import nearest_items
from hnlm_ray.cf.kernels.rows import gather_rows
from hnlm_ray.cf.losses import mean_over_pairs
from hnlm_ray.config import CFConfig


class TextTiers:
    """The term ``weight`` * mean of -log sigmoid(s(u,t) - s(u,j)), t a neighbour of the positive and j the negative.

    t is drawn uniformly from the ``config.graph_neighbours`` nearest of the positive by text; a pair whose t is a
    training positive of its user, or whose positive has no neighbour with a cosine above 0, adds nothing.

    Parameters
    ----------
    generator
        Draws t, on ``device``: a stream of its own, so that a weight of 0 changes nothing.

    Raises
    ------
    InputError
        The items have no text.
    """

    def __init__(self, data: CFData, config: CFConfig, generator: torch.Generator, device: torch.device) -> None:
        if data.item_text is None:
            raise InputError("cf.tiers needs the items' text vectors and the data has none; embed them or set it 0")
        near = nearest_items(data.item_text, config.graph_neighbours)
        width = near.nnz // max(1, data.items)
        self.items = torch.from_numpy(near.indices.reshape(data.items, width).astype("int64")).to(device)
        self.near = torch.from_numpy(near.data.reshape(data.items, width) > 0).to(device)
        self.users, self.weight, self.generator = data.users, config.tiers, generator
        self.observed = Observed(data, device)

    def loss(self, final: Tensor, batch: Batch, negative: Tensor) -> Tensor:
        """Return the term, a scalar; ``negative`` float32[batch, (n,) dim] as the ranking loss sees it."""
        neighbour, counts = self._drawn(batch)
        user, above = gather_rows(final, batch.users, self.users + neighbour)
        scores = (user * above).sum(1)
        below = (user.unsqueeze(1) * negative).sum(2) if negative.dim() > 2 else (user * negative).sum(1)
        lead = scores.unsqueeze(1) - below if below.dim() > 1 else scores - below
        weighed = functional.softplus(-lead) * (counts.unsqueeze(1) if lead.dim() > 1 else counts)
        return self.weight * mean_over_pairs(weighed)

    def _drawn(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return a neighbour of each positive, int64[batch], and 1 where it counts, else 0, float32[batch]."""
        shape = (len(batch.items), 1)
        place = torch.randint(self.items.shape[1], shape, generator=self.generator, device=self.items.device)
        rows = self.items.index_select(0, batch.items).gather(1, place)
        near = self.near.index_select(0, batch.items).gather(1, place)
        counts = (near & ~self.observed(batch.users, rows)).squeeze(1)
        return rows.squeeze(1), counts.float()
