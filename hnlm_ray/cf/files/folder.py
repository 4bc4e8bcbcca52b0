"""A folder of a training alone: interactions, and optional files beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.files.ngcf import read_ngcf
from hnlm_ray.cf.files.parquet import Ids, read_parquet
from hnlm_ray.cf.files.side_files import with_beside


@dataclass(frozen=True, eq=False)
class Loaded:
    """The data of a folder and, where the source has its own ids, the id of each user and item index."""

    data: CFData
    user_ids: Ids | None = None
    item_ids: Ids | None = None


def load_folder(folder: str | Path, kind: Literal["ngcf", "parquet"]) -> Loaded:
    """Read interactions and what lies beside them.

    Beside: ``item_text.npy`` and ``user_text.npy`` (float[n, t]), ``triples.txt`` (indices of a user, a preferred and a
    rejected item a line) or ``triples.parquet`` (columns user, preferred, rejected, ids as in the interactions),
    ``teacher_scores.npy`` (float[users, items], read a block at a time). Rows are in the order of indices.

    Raises
    ------
    InputError
        The folder or a file in it can't be used; the message names it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{folder} is no folder: name the one that holds the interactions")
    loaded = Loaded(read_ngcf(root)) if kind == "ngcf" else Loaded(*read_parquet(root))
    data = with_beside(root, loaded.data, loaded.user_ids, loaded.item_ids)
    return Loaded(data, loaded.user_ids, loaded.item_ids)
