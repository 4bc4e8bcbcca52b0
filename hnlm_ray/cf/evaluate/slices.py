"""Whom a method serves: users by the length of their history, held-out rows by their item's popularity."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.samples import quarters
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import contains
from hnlm_ray.cf.evaluate.evaluation import Evaluation

HISTORIES: Final = ("history_short", "history_middle", "history_long")
POPULARITIES: Final = ("items_unseen", "items_rare", "items_common", "items_popular")
Slices = dict[str, float]


def measure_slices(data: CFData, evaluation: Evaluation, *, metric: str, cutoff: int) -> Slices:
    """Return the test figures of groups of users and of items, from the lists that were evaluated.

    Parameters
    ----------
    evaluation
        Of the split 'test'.
    metric
        Of ``evaluation.per_user``; its mean is the figure of a group of users.
    cutoff
        How many of the best items count as found; the share of test rows found is the figure of a group of items.

    Returns
    -------
    dict
        A group's figure under its name (absent where the group is empty), and its size under
        '<name>_users' or '<name>_rows'.

    Raises
    ------
    InputError
        The lists are shorter than ``cutoff``.
    """
    found = found_test_rows(data, evaluation, cutoff)
    return {
        **by_history(evaluation.per_user[metric], data.train.degree[evaluation.users]),
        **by_popularity(found, data.held_out("test").items, data.train.popularity(data.items)),
    }


def found_test_rows(data: CFData, evaluation: Evaluation, cutoff: int) -> NDArray[np.bool_]:
    """Return whether each test row (by user, then item) is among its user's first ``cutoff`` items, bool[rows].

    Raises
    ------
    InputError
        The lists are shorter than ``cutoff``.
    """
    ranked = evaluation.ranked[:, :cutoff]
    if ranked.shape[1] < min(cutoff, data.items):
        raise InputError(f"lists of {ranked.shape[1]} items have no first {cutoff}; evaluate at that cut-off too")
    return found_rows(evaluation.users, ranked, data.held_out("test").keys(data.items), data.items)


def by_history(values: NDArray[np.float32], lengths: NDArray[np.int64]) -> Slices:
    """Return the mean of float32[users] over users of short, middle and long training histories (int64[users]).

    Short is the lowest quarter, long the highest; users of one length stay together, in the lower group.
    """
    return _figures(HISTORIES, quarters(lengths, lengths), values, "users")


def by_popularity(found: NDArray[np.bool_], items: NDArray[np.int32], popularity: NDArray[np.int64]) -> Slices:
    """Return the share of test rows found (bool[rows], of items int32[rows]) by the item's training positives.

    The quarters are those of the items that have training positives (``popularity``, int64[items]); items of
    one popularity stay together, in the lower group. An item without any is unseen.
    """
    seen = popularity[popularity > 0]
    group = np.where(popularity[items] == 0, 0, 1 + quarters(popularity[items], seen))
    return _figures(POPULARITIES, group, found, "rows")


def found_rows(
    users: NDArray[np.int32], ranked: NDArray[np.int32], held_out: NDArray[np.int64], n_items: int
) -> NDArray[np.bool_]:
    """Return for each held-out pair (sorted keys, int64[rows]) whether it is among its user's best items.

    ``ranked`` int32[n, k] belong to ``users`` int32[n]; -1 is no item.
    """
    keys = users[:, None].astype(np.int64) * n_items + ranked
    return contains(np.sort(keys[ranked >= 0]), held_out)


def _figures(
    names: tuple[str, ...], group: NDArray[np.int64], values: NDArray[np.float32] | NDArray[np.bool_], unit: str
) -> Slices:
    figures: Slices = {}
    for number, name in enumerate(names):
        chosen = values[group == number]
        if len(chosen):
            figures[name] = float(chosen.mean(dtype=np.float64))
        figures[f"{name}_{unit}"] = float(len(chosen))
    return figures
