"""Which users the LLM is asked about, and which items it judges: pure functions of scores and beliefs.

A candidate is an item that a sampler of hard negatives meets (the teacher ranks it high, and the user has not
trained on it) and of which the false-negative model can't tell whether it is a negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Chosen:
    """The candidates of some users, most uncertain first.

    ``items`` int64[users, most], -1 where a user has fewer; ``logits`` float32[users, most], 0 there; ``mass``
    float64[users]: the sum of their uncertainty.
    """

    items: Ints
    logits: Floats
    mass: NDArray[np.float64]


def uncertainty(logits: Floats) -> NDArray[np.float64]:
    """Return 4 p (1 - p), p the probability of being a positive: 1 at the decision point (logit 0), 0 far from it."""
    from scipy.special import expit

    p = expit(logits.astype(np.float64))
    sure: NDArray[np.float64] = 4 * p * (1 - p)
    return sure


def choose_candidates(scores: Floats, logits: Floats, known: NDArray[np.bool_], hard: int, most: int) -> Chosen:
    """Choose at most ``most`` candidates of each user.

    They are among the best 1/``hard`` by ``scores`` (rounded up) of the items that are not ``known``: the hardest of
    ``hard`` uniform draws is one of these on average. Of these the most uncertain are taken; equal ones by the
    higher score, then by the lower item.

    Parameters
    ----------
    scores, logits
        The teacher's score, and the log-odds that an item is a positive not seen yet, float32[users, items].
    known
        Which items a user has trained on, bool[users, items].
    """
    ranked = np.argsort(np.where(known, np.inf, -scores), axis=1, kind="stable")
    unseen = (~known).sum(1)
    reach = -(-unseen // hard)
    window = ranked[:, : max(1, int(reach.max(initial=1)))]
    inside = np.arange(window.shape[1]) < reach[:, None]
    belief = np.take_along_axis(logits, window, axis=1)
    order = np.argsort(np.where(inside, np.abs(belief), np.inf), axis=1, kind="stable")[:, :most]
    taken = np.take_along_axis(inside, order, axis=1)
    items, found = np.full((len(scores), most), -1), np.zeros((len(scores), most), np.float32)
    there = slice(order.shape[1])
    items[:, there] = np.where(taken, np.take_along_axis(window, order, axis=1), -1)
    found[:, there] = np.where(taken, np.take_along_axis(belief, order, axis=1), 0)
    return Chosen(items, found, np.where(items >= 0, uncertainty(found), 0).sum(1))


def users_by_mass(mass: NDArray[np.float64], most: int) -> Ints:
    """Return at most ``most`` users with any uncertainty, the largest first; equal ones by the lower index."""
    order = np.argsort(-mass, kind="stable")[:most]
    return order[mass[order] > 0].astype(np.int64)


def within_budget(tokens: Ints, budget: int) -> int:
    """Return how many of these, in this order, may be asked before the sum of their tokens exceeds the budget."""
    return int(np.searchsorted(np.cumsum(tokens), budget, side="right"))


def order_of_asking(items: Ints, user: int, seed: int) -> Ints:
    """Return a user's candidates in a drawn order, so that a number in the list tells nothing of an item."""
    listed: Ints = np.random.default_rng([seed, user]).permutation(np.sort(items[items >= 0]))
    return listed
