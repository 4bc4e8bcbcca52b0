"""The pairs that all sides read: from files of the NGCF format, or drawn from a power law."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hnlm_ray.cf import CFData, Positives
from hnlm_ray.cf.files import read_ngcf

HOW_TO_GET = """Each folder holds train.txt and test.txt, a user and all their items a line: `user item item ...`.
Gowalla: the files in data/gowalla of the public repository kuandeng/LightGCN (or of NGCF).
ML-1M and phone: the files in data/ml and data/phone of the public repository Riwei-HEU/AHNS.
Without a folder that data set is left out; --quick takes a small synthetic one in its place."""


@dataclass(frozen=True)
class Dataset:
    """A data set, its name in the report, and the folder of arrays that the drivers read."""

    name: str
    data: CFData
    folder: Path


def read_datasets(named: dict[str, Path | None], root: Path) -> list[Dataset]:
    """Read the folders that were named, by the data set's name; where there is none, draw a small set."""
    found = [shared(name, read_ngcf(folder), root) for name, folder in named.items() if folder]
    return found or [shared("synthetic", synthetic(40_000, 2_000, 1_500), root)]


def shared(name: str, data: CFData, root: Path) -> Dataset:
    """Write train and test pairs as int32[pairs, 2] for the drivers; exit where there is no test."""
    if data.test is None:
        sys.exit(f"{name} has no test.txt; give a folder with both")
    folder = root / name
    write_pairs(folder, (data.users, data.items), train=data.train.pairs(), test=data.test.pairs())
    return Dataset(name, data, folder)


def write_pairs(folder: Path, sizes: tuple[int, int], **splits: tuple[np.ndarray, np.ndarray]) -> None:
    """Write users and items of each split for the drivers."""
    folder.mkdir(parents=True)
    for split, pairs in splits.items():
        np.save(folder / f"{split}.npy", np.stack(pairs, 1).astype(np.int32))
    users, items = sizes
    (folder / "sizes.json").write_text(json.dumps({"users": users, "items": items}), encoding="utf-8")


def power_law_pairs(rows: int, users: int, items: int, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Return up to ``rows`` different pairs; users' activity and items' popularity fall by a power law.

    Every user has a pair and every item has one.
    """
    draw, every = np.random.default_rng(seed), max(users, items)
    popularity, activity = _power_law(items, 0.8), _power_law(users, 0.5)
    user = np.searchsorted(activity, draw.random(rows - every)).clip(max=users - 1)
    item = np.searchsorted(popularity, draw.random(rows - every)).clip(max=items - 1)
    # Numbers are dealt out at random, or the popular ones would lie side by side in memory.
    user = np.concatenate([draw.permutation(users)[user], np.arange(every) % users])
    item = np.concatenate([draw.permutation(items)[item], draw.permutation(every) % items])
    keys = np.unique(user * items + item)
    return keys // items, keys % items


def _power_law(count: int, power: float) -> np.ndarray:
    weights = np.cumsum(np.arange(1, count + 1) ** -power)
    return weights / weights[-1]


def synthetic(rows: int, users: int, items: int, seed: int = 7) -> CFData:
    """Return power-law data with a fifth of each user's pairs, at random, for test."""
    user, item = power_law_pairs(rows, users, items, seed)
    draw = np.random.default_rng(seed)
    order = np.lexsort((draw.random(len(user)), user))
    user, item = user[order], item[order]
    first = np.searchsorted(user, np.arange(users + 1))
    rank = np.arange(len(user)) - first[user]
    held_out = rank < np.diff(first)[user] // 5
    train, test = (Positives.from_pairs(user[part], item[part], users) for part in (~held_out, held_out))
    return CFData(users, items, train, None, test)
