"""The text format of NGCF and LightGCN: a line holds a user and all their items, `user item item ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.files.assembling import Pairs, assemble
from hnlm_ray.cf.files.number_lines import NumberLines, read_number_lines

SPLITS: Final = {
    "train": ("train.txt",),
    "validation": ("validation.txt", "valid.txt", "val.txt"),
    "test": ("test.txt",),
}
FORM: Final = "user item item ..."


def read_ngcf(folder: str | Path) -> CFData:
    """Read ``train.txt`` and, where they are there, ``test.txt`` and ``validation.txt`` (or valid.txt, val.txt).

    Users and items are whole numbers from 0 on; how many there are follows from the largest. A line without items is a
    user without positives.

    Raises
    ------
    InputError
        No ``train.txt``; a file that can't be read; a line that is not whole numbers, repeats an item or a user,
        named by file and line; a pair in two splits; numbers so far apart that most would have no pair.
    """
    found: dict[str, Pairs] = {}
    for split, names in SPLITS.items():
        present = [name for name in names if (Path(folder) / name).is_file()]
        if len(present) > 1:
            raise InputError(f"{folder} holds {' and '.join(present)}: keep one of them")
        if present:
            found[split] = read_lines(Path(folder) / present[0])
    if "train" not in found:
        raise InputError(
            f"{folder} has no train.txt: name the folder with train.txt and test.txt, or use another format"
        )
    return assemble(found, str(folder))


def read_lines(path: Path) -> Pairs:
    """Return users and items, int64[pairs] each, of one file; InputError with file and line."""
    lines = read_number_lines(path, FORM)
    users = lines.values[lines.first]
    _reject_repeated_users(lines, users)
    is_item = np.ones(len(lines.values), np.bool_)
    is_item[lines.first] = False
    pairs = np.repeat(users, np.diff(lines.first, append=len(is_item)) - 1), lines.values[is_item]
    _reject_repeated_pairs(lines, *pairs, is_item)
    return Pairs(*pairs, users=int(users.max()) + 1 if len(users) else 0)


def _reject_repeated_users(lines: NumberLines, users: NDArray[np.int64]) -> None:
    order = np.argsort(users, kind="stable")
    again = np.flatnonzero(np.diff(users[order]) == 0)
    if len(again):
        at = order[again[0] + 1]
        lines.reject(int(lines.first[at]), f"user {users[at]} has a line above already; put all items on one line")


def _reject_repeated_pairs(
    lines: NumberLines, users: NDArray[np.int64], items: NDArray[np.int64], is_item: NDArray[np.bool_]
) -> None:
    keys = users << 32 | items
    ordered = np.sort(keys)
    twice = ordered[1:] == ordered[:-1]
    if twice.any():
        at = np.flatnonzero(keys == ordered[twice.argmax()])[1]
        which = int(np.flatnonzero(is_item)[at])
        lines.reject(which, f"user {users[at]} has item {items[at]} twice; keep it once")
