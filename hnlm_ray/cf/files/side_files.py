"""What may lie beside the interactions: text vectors, augmented triples, a teacher's scores.

Scores and vectors as files that others read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.files.ngcf import read_number_lines
from hnlm_ray.cf.files.parquet import Ids, indices, read_columns
from hnlm_ray.cf.scoring import EmbeddingScores, Scorer

USERS_PER_BLOCK: Final = 256


def save_scores(scorer: Scorer, users: int, path: str | Path) -> None:
    """Write the scores of every user as .npy, float32[users, items], a block of users at a time.

    As ``teacher_scores.npy`` beside the interactions it is what a model can be distilled from.
    """
    scorer.check()
    header = {"descr": "<f4", "fortran_order": False, "shape": (users, scorer.items)}
    with open(path, "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[no-untyped-call]
        for start in range(0, users, USERS_PER_BLOCK):
            block = torch.arange(start, min(start + USERS_PER_BLOCK, users), device=scorer.device)
            stream.write(scorer.scores(block).cpu().numpy().astype("<f4").tobytes())


def export_index(scorer: Scorer, path: str | Path, description: str = "Flat") -> None:
    """Write a faiss index (inner product) of the items' vectors; its ids are item indices.

    Search it with the users' vectors. ``description`` is that of ``faiss.index_factory``: Flat is exact, HNSW32 or
    IVF256,Flat are approximate and faster.

    Raises
    ------
    InputError
        The scorer has no vectors, faiss is not installed, or it knows no such index.
    """
    if not isinstance(scorer, EmbeddingScores):
        raise InputError("a faiss index holds vectors and this model has none; train one that has embeddings")
    try:
        import faiss
    except ImportError as error:
        raise InputError("the package faiss is not installed: pip install faiss-cpu") from error
    vectors = np.ascontiguousarray(scorer.item_embeddings.cpu().numpy(), np.float32)
    try:
        index = faiss.index_factory(vectors.shape[1], description, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
        index.add(vectors)
    except RuntimeError as error:
        told = " ".join(str(error).split())[-100:]
        raise InputError(f"faiss can't make an index {description!r} of these vectors ({told}): try Flat") from error
    faiss.write_index(index, str(path))


TRIPLE: Final = ("user", "preferred", "rejected")


def with_beside(root: Path, data: CFData, user_ids: Ids | None, item_ids: Ids | None) -> CFData:
    """Return the data with what the folder holds of it; InputError, with the file, for what can't be used.

    ``user_ids`` and ``item_ids`` are the source's own, which ``triples.parquet`` is written in; none: it holds indices.
    """
    return replace(
        data,
        item_text=_text(root / "item_text.npy", data.items, "item"),
        user_text=_text(root / "user_text.npy", data.users, "user"),
        triples=_triples(root, data, user_ids, item_ids),
        teacher=_teacher(root / "teacher_scores.npy", data),
    )


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


def _array(path: Path) -> NDArray[Any] | None:
    if not path.exists():
        return None
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, TokenError) as error:
        told = " ".join(str(error).split())[:100]
        raise InputError(f"{path} can't be read as a NumPy array ({told}): write it by numpy.save") from error
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f" or found.ndim != 2:
        raise InputError(f"{path} must hold one float array of two dimensions; write it by numpy.save")
    return found


def _text(path: Path, rows: int, what: str) -> NDArray[np.float32] | None:
    found = _array(path)
    if found is None:
        return None
    if len(found) != rows:
        raise InputError(f"{path} has {len(found)} rows and the data {rows} {what}s: give one row each, in order")
    if not np.isfinite(found).all():
        raise InputError(f"{path} has a vector that isn't finite; give zeros where there is no text")
    return np.array(found, np.float32)


def _teacher(path: Path, data: CFData) -> StoredScores | None:
    found = _array(path)
    if found is not None and found.shape != (data.users, data.items):
        raise InputError(
            f"{path} is {list(found.shape)} and the data has {data.users} users and {data.items} items: give one each"
        )
    return None if found is None else StoredScores(found)


def _triples(root: Path, data: CFData, user_ids: Ids | None, item_ids: Ids | None) -> NDArray[np.int64] | None:
    lines, table = root / "triples.txt", root / "triples.parquet"
    if lines.exists() and table.exists():
        raise InputError(f"{root} holds triples.txt and triples.parquet: keep one of them")
    if not lines.exists() and not table.exists():
        return None
    place = lines if lines.exists() else table
    found = _of_lines(lines) if lines.exists() else _of_table(table, user_ids, item_ids)
    if len(found) and ((found < 0).any() or (found.max(0) >= (data.users, data.items, data.items)).any()):
        raise InputError(f"{place} names a user or an item that has no interaction; leave these triples out")
    return found


def _of_lines(path: Path) -> NDArray[np.int64]:
    lines = read_number_lines(path, " ".join(TRIPLE))
    wrong = np.diff(lines.first, append=len(lines.values)) != len(TRIPLE)
    if wrong.any():
        lines.reject(int(lines.first[wrong.argmax()]), f"write three numbers a line, `{lines.form}`")
    return lines.values.reshape(-1, len(TRIPLE))


def _of_table(path: Path, user_ids: Ids | None, item_ids: Ids | None) -> NDArray[np.int64]:
    rows = read_columns(path, TRIPLE)
    columns = []
    for name, ids in zip(TRIPLE, (user_ids, item_ids, item_ids), strict=True):
        wanted = "int64" if ids is None else str(ids.type)
        if str(rows[name].type) != wanted:
            raise InputError(f"{path}: column {name} is {rows[name].type} and the interactions' ids are {wanted}")
        columns.append(rows[name].to_numpy() if ids is None else indices(rows[name], ids))
    return np.stack(columns, axis=1).astype(np.int64)
