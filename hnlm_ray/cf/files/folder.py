"""A folder of a training alone: interactions, and optional files beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hnlm_ray.cf.data import CFData
from hnlm_ray.cf.files.ngcf import read_ngcf
from hnlm_ray.cf.files.parquet import read_parquet
from hnlm_ray.errors import InputError


@dataclass(frozen=True)
class Loaded:
    """The data of a folder and, where the source has its own ids, the id of each user and item index."""

    data: CFData
    user_ids: Sequence[Any] | None = None
    item_ids: Sequence[Any] | None = None


def load_folder(folder: str, kind: Literal["ngcf", "parquet"]) -> Loaded:
    """Read interactions and what lies beside them.

    Beside: ``item_text.npy`` and ``user_text.npy`` (float[n, t]), ``triples.txt`` (user, preferred item, rejected item
    a line), ``teacher_scores.npy`` (float[users, items], read a block at a time). Rows are in the order of indices.

    Raises
    ------
    InputError
        The folder or a file in it can't be used; the message names it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{folder} is no folder: name the one that holds the interactions")
    loaded = Loaded(read_ngcf(root)) if kind == "ngcf" else Loaded(*read_parquet(root))
    data = replace(
        loaded.data,
        item_text=_text(root / "item_text.npy"),
        user_text=_text(root / "user_text.npy"),
        triples=_triples(root / "triples.txt"),
        teacher=_teacher(root / "teacher_scores.npy", loaded.data),
    )
    return replace(loaded, data=data)


@dataclass(frozen=True, eq=False)
class StoredScores:
    """Scores that lie in a file, ``matrix`` float[users, items]: a block of users is read at a time."""

    matrix: NDArray[np.floating[Any]]

    @property
    def items(self) -> int:
        """How many items there are."""
        return int(self.matrix.shape[1])

    @property
    def device(self) -> torch.device:
        """Where scores are returned."""
        return torch.device("cpu")

    def scores(self, users: Tensor) -> Tensor:
        """Return float32[n, items] of ``users`` int64[n], on their device; InputError where one is not finite."""
        block = torch.from_numpy(self.matrix[users.cpu().numpy()].astype(np.float32))
        if not bool(torch.isfinite(block).all()):
            raise InputError("teacher_scores.npy holds a score that isn't finite; give numbers")
        return block.to(users.device)

    def check(self) -> None:
        """Leave the check to the blocks: the file may be larger than memory."""


def _array(path: Path, *, mapped: bool) -> NDArray[Any] | None:
    if not path.exists():
        return None
    try:
        found = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path} can't be read as a NumPy array ({str(error)[:100]}): write it by numpy.save"
        ) from error
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f" or found.ndim != 2:
        raise InputError(f"{path} must hold one float array of two dimensions; write it by numpy.save")
    return found


def _text(path: Path) -> NDArray[np.float32] | None:
    found = _array(path, mapped=False)
    return None if found is None else found.astype(np.float32)


def _teacher(path: Path, data: CFData) -> StoredScores | None:
    found = _array(path, mapped=True)
    if found is not None and found.shape != (data.users, data.items):
        raise InputError(f"{path} is {list(found.shape)} and the data has {data.users} users and {data.items} items")
    return None if found is None else StoredScores(found)


def _triples(path: Path) -> NDArray[np.int64] | None:
    if not path.exists():
        return None
    try:
        return np.loadtxt(path, dtype=np.int64, ndmin=2, comments=None)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: write three whole numbers a line, user, preferred and rejected item") from error
