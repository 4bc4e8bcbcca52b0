"""Full ranking of the catalogue in blocks of users, ties broken by the lower item index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hnlm_ray.base.errors import DivergedError
from hnlm_ray.cf.data.positives import Positives
from hnlm_ray.cf.kernels.top_k import top_k
from hnlm_ray.cf.scoring import Scorer

USERS_PER_BLOCK: Final = 256
"""On CPU, at most: more users don't make the products faster."""
FEWEST_USERS: Final = 32
"""Fewer than these read the item embeddings so often that reading them takes longer than the products."""
BLOCK_BYTES: Final = {"cpu": 32 * 2**20, "cuda": 256 * 2**20}
"""Of the scores of a block: on CPU what stays near the cache and is taken from the heap, on GPU what fills it."""


def block_users(items: int, device: str = "cpu") -> int:
    """Return how many users' float32 scores of all items are held at a time on a type of device."""
    most = USERS_PER_BLOCK if device == "cpu" else 2**13
    fit = BLOCK_BYTES.get(device, BLOCK_BYTES["cpu"]) // (4 * max(items, 1))
    return max(FEWEST_USERS, min(most, fit // FEWEST_USERS * FEWEST_USERS))


def top_items(
    scorer: Scorer,
    users: NDArray[np.integer],
    seen: Sequence[Positives],
    k: int,
    *,
    users_per_block: int | None = None,
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
        Users whose scores are held at a time; none: :func:`block_users`.

    Returns
    -------
    int32[n, k], float32[n, k]
        Item -1 with score -inf where a user has fewer than k unseen items. An item that the scorer itself
        gives -inf is never listed.

    Raises
    ------
    DivergedError
        A score is NaN or inf, so there is no ranking.
    """
    scorer.check()
    items = np.full((len(users), k), -1, np.int32)
    scores = np.full((len(users), k), -np.inf, np.float32)
    depth, step = min(k, scorer.items), users_per_block or block_users(scorer.items, scorer.device.type)
    for start in range(0, len(users), step):
        block = slice(start, start + step)
        values, columns = top_k(_masked(scorer, users[block], seen), depth)
        scores[block, :depth] = values.cpu().numpy()
        items[block, :depth] = columns.cpu().numpy()
        _check_finite(users[block], scores[block])
    items[np.isneginf(scores)] = -1
    return items, scores


def _masked(scorer: Scorer, users: NDArray[np.integer], seen: Sequence[Positives]) -> Tensor:
    """Return float32[n, items], -inf where the user has seen the item."""
    device = scorer.device
    scores = scorer.scores(torch.from_numpy(users.astype(np.int64)).to(device))
    for positives in seen:
        row, item = positives.of(users)
        scores[torch.from_numpy(row).to(device), torch.from_numpy(item.astype(np.int64)).to(device)] = -torch.inf
    return scores


def _check_finite(users: NDArray[np.integer], best: NDArray[np.float32]) -> None:
    """Raise DivergedError for a NaN or inf anywhere in a row: both come first in its best scores."""
    wrong = np.flatnonzero(~(best[:, 0] < np.inf))
    if len(wrong):
        user = int(users[wrong[0]])
        raise DivergedError(f"a score of user {user} is {best[wrong[0], 0]}, so nothing can be ranked; lower cf.lr")
