"""Test users by how active they are, and test rows by how popular their item is: the groups of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.samples import quarters

# The names of hnlm_ray.cf.evaluate.slices, which needs torch.
HISTORIES: Final = ("history_short", "history_middle", "history_long")
POPULARITIES: Final = ("items_unseen", "items_rare", "items_common", "items_popular")


@dataclass(frozen=True, eq=False)
class Groups:
    """Whom and what a comparison is about.

    Attributes
    ----------
    history
        int64[users]: the place in ``HISTORIES`` of each test user, in the order of ``results.per_user``.
    owner, popularity
        int64[rows]: of each test row, in the order of ``results.found``, the test user's place and the place in
        ``POPULARITIES`` of its item.
    """

    history: NDArray[np.int64]
    owner: NDArray[np.int64]
    popularity: NDArray[np.int64]

    def users(self) -> dict[str, NDArray[np.bool_]]:
        """Return the members of the groups of users, bool[users]."""
        return {name: self.history == place for place, name in enumerate(HISTORIES)}

    def found_share(self, found: Sequence[NDArray[np.bool_]], group: str) -> NDArray[np.float64]:
        """Return float64[refits, users]: the share found of a user's test rows in a group of items; NaN without any.

        Raises
        ------
        InputError
            The refits have other test rows than the data.
        """
        rows = {len(own) for own in found} | {len(self.owner)}
        if len(rows) > 1:
            raise InputError(f"results tell of {sorted(rows)} test rows; all must have those of the data")
        inside = self.popularity == POPULARITIES.index(group)
        owner, users = self.owner[inside], len(self.history)
        of = np.bincount(owner, minlength=users)
        hits = np.array([np.bincount(owner[own[inside]], minlength=users) for own in found], np.float64)
        shares: NDArray[np.float64] = np.divide(hits, of, out=np.full(hits.shape, np.nan), where=of > 0)
        return shares


def groups_of(interactions: pa.Table) -> Groups | None:
    """Return the groups from the columns user, item and split; none without test rows.

    Histories and popularities are those of training alone; quarters as in :func:`hnlm_ray.base.samples.quarters`, of
    the test users and of the items that have training positives.
    """
    train, test = (interactions.filter(pc.equal(interactions["split"], split)) for split in ("train", "test"))
    if not test.num_rows:
        return None
    test = test.select(["user", "item"]).sort_by([("user", "ascending"), ("item", "ascending")])
    users, owner = np.unique(test["user"].to_numpy(), return_inverse=True)
    lengths = _counts_of(train["user"], users)
    items = test["item"].to_numpy()
    popularity, seen = _counts_of(train["item"], items), pc.value_counts(train["item"].combine_chunks())
    of = seen.field("counts").to_numpy()
    return Groups(quarters(lengths, lengths), owner, np.where(popularity == 0, 0, 1 + quarters(popularity, of)))


def _counts_of(values: pa.ChunkedArray, wanted: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return how often each wanted value is there."""
    found = pc.value_counts(values.combine_chunks())
    counts = np.zeros(1 + max(int(wanted.max()), int(pc.max(values).as_py() or 0)), np.int64)
    counts[found.field("values").to_numpy()] = found.field("counts").to_numpy()
    return counts[wanted]
