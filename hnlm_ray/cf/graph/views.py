"""Views of the graph of users and items: some edges or nodes left out, the rest normalised again.

Source: Wu et al., SGL (SIGIR 2021), equations 5 and 6.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hnlm_ray.cf.data.positives import Positives
from hnlm_ray.cf.graph.propagation import Adjacency, Precision, SymmetricMatrix


class GraphViews:
    """Draws views of a whole graph; each edge or node is left out with the same odds, apart from the others.

    A node that is left out keeps its layer-0 embedding and has no edge.
    """

    def __init__(self, whole: Adjacency, train: Positives, precision: Precision = "float32") -> None:
        self.whole, self.precision = whole, precision
        # Edges stand twice in the adjacency: in the order of users, then in that of items.
        by_item = torch.from_numpy(np.argsort(train.items, kind="stable"))
        self.by_item = by_item.to(whole.columns.device, whole.columns.dtype)

    def without_edges(self, share: float, generator: torch.Generator) -> SymmetricMatrix:
        """Return a view without about ``share`` of the edges."""
        kept = torch.rand(len(self.by_item), generator=generator, device=self.by_item.device) >= share
        return self._view(torch.cat([kept, kept.index_select(0, self.by_item)]))

    def without_nodes(self, share: float, generator: torch.Generator) -> SymmetricMatrix:
        """Return a view without the edges of about ``share`` of the nodes."""
        whole = self.whole
        kept = torch.rand(whole.nodes, generator=generator, device=whole.columns.device) >= share
        return self._view(torch.repeat_interleave(kept, whole.offsets.diff()) & kept.index_select(0, whole.columns))

    def _view(self, kept: Tensor) -> SymmetricMatrix:
        """Return the matrix of the entries that are kept, bool[entries], with values 1 / sqrt(d_u d_i)."""
        whole = self.whole
        before = torch.cat([whole.offsets.new_zeros(1), kept.cumsum(0, dtype=whole.offsets.dtype)])
        offsets = before.index_select(0, whole.offsets)
        columns, degree = whole.columns[kept], offsets.diff()
        scale = degree.to(torch.float32).rsqrt_()
        values = torch.repeat_interleave(scale, degree).mul_(scale.index_select(0, columns))
        return SymmetricMatrix(offsets, columns, values, columns.device, self.precision)
