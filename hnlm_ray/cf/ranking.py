"""Full ranking of the catalogue in blocks of users, ties broken by the lower item index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hnlm_ray.cf.positives import Positives
from hnlm_ray.cf.scoring import Scorer

USERS_PER_BLOCK: Final = 256


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k highest scores of each row and their columns; equal scores by the lower column.

    ``scores`` float32[rows, columns], k at most columns. float32[rows, k] and int64[rows, k].
    """
    wanted = min(k + 1, scores.shape[1])
    values, columns = scores.topk(wanted, dim=1)
    if wanted > k:
        # topk takes any of the items tied at the edge: these rows are sorted in full.
        tied = (values[:, k] == values[:, k - 1]).nonzero().squeeze(1)
        values, columns = values[:, :k], columns[:, :k]
        if len(tied):
            full = scores[tied].sort(dim=1, descending=True, stable=True)
            values[tied], columns[tied] = full.values[:, :k], full.indices[:, :k]
    columns, by_column = columns.sort(dim=1)
    values, by_value = values.gather(1, by_column).sort(dim=1, descending=True, stable=True)
    return values, columns.gather(1, by_value)


def top_items(
    scorer: Scorer,
    users: NDArray[np.integer],
    seen: Sequence[Positives],
    k: int,
    *,
    users_per_block: int = USERS_PER_BLOCK,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the k best items of each user without those seen, and their scores.

    Parameters
    ----------
    scorer
        What scores the catalogue for a user.
    users
        int[n], the users to rank for.
    seen
        Positives that are masked.
    users_per_block
        Users whose scores are held at a time.

    Returns
    -------
    int32[n, k], float32[n, k]
        Item -1 with score -inf where a user has fewer than k unseen items.

    Raises
    ------
    DivergedError
        The scores are not finite, so there is no ranking.
    """
    scorer.check()
    items = np.full((len(users), k), -1, np.int32)
    scores = np.full((len(users), k), -np.inf, np.float32)
    depth = min(k, scorer.items)
    for start in range(0, len(users), users_per_block):
        block = slice(start, start + users_per_block)
        values, columns = _top_of_block(scorer, users[block], seen, depth)
        scores[block, :depth] = values.cpu().numpy()
        items[block, :depth] = columns.cpu().numpy()
    items[np.isneginf(scores)] = -1
    return items, scores


def _top_of_block(
    scorer: Scorer, users: NDArray[np.integer], seen: Sequence[Positives], k: int
) -> tuple[Tensor, Tensor]:
    device = scorer.device
    scores = scorer.scores(torch.from_numpy(users.astype(np.int64)).to(device))
    for positives in seen:
        row, item = positives.of(users)
        scores[torch.from_numpy(row).to(device), torch.from_numpy(item.astype(np.int64)).to(device)] = -torch.inf
    return top_k(scores, k)
