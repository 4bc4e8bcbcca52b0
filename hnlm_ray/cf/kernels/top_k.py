"""The k highest scores of each row, equal scores by the lower column: exact, on CPU and GPU."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

GROUP: Final = 96
"""Columns in a group. At 96 the maxima and the candidates of k = 20 cost least together."""
WORTH: Final = 8
"""Groups pay where a row has this many times the columns of k groups."""
TIED_ROWS: Final = 32
"""Rows sorted in full at a time: the sort holds several times their size."""


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k highest scores of each row and their columns; equal scores by the lower column.

    Wide rows on CPU are ranked by groups of adjacent columns: the k groups of the highest maxima are found
    first (equal maxima: the lower group), then the best columns among theirs.

    This loses nothing. Let x be a column of a group g that is not among the k groups. Each of these k groups
    has a maximum above g's, or an equal one and comes before g, and so do all its columns. Either way the
    column of that maximum ranks before x: k columns do, so x is not among the k best.

    Parameters
    ----------
    scores
        float32[rows, columns]; NaN counts as higher than inf.
    k
        At most ``columns``.

    Returns
    -------
    float32[rows, k], int64[rows, k]
        In descending order.
    """
    if scores.device.type == "cpu" and scores.shape[1] >= WORTH * GROUP * k:
        return _by_groups(scores, k)
    return _by_columns(scores, k)


def _by_groups(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    n_groups = scores.shape[1] // GROUP
    grouped = torch.unflatten(scores[:, : n_groups * GROUP], 1, (n_groups, GROUP))
    groups = _by_columns(grouped.amax(2), k)[1].sort(dim=1).values
    rows = torch.arange(len(scores)).unsqueeze(1)
    # The columns left over at the end are candidates of every row.
    candidates = torch.cat([grouped[rows, groups].flatten(1), scores[:, n_groups * GROUP :]], dim=1)
    values, places = _by_columns(candidates, k)
    inside = groups.gather(1, (places // GROUP).clamp(max=k - 1)) * GROUP + places % GROUP
    return values, torch.where(places < k * GROUP, inside, places + (n_groups - k) * GROUP)


def _by_columns(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    values, columns = scores.topk(min(k + 1, scores.shape[1]), dim=1)
    # topk puts equal scores in any order and takes any of those at the edge.
    tied = (values[:, 1:] == values[:, :-1]).any(1).nonzero().squeeze(1)
    values, columns = values[:, :k], columns[:, :k]
    for rows in torch.split(tied, TIED_ROWS):
        full = scores[rows].sort(dim=1, descending=True, stable=True)
        values[rows], columns[rows] = full.values[:, :k], full.indices[:, :k]
    return values, columns
