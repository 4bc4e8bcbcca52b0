"""What ``hnlm cf train --out`` leaves at its end: vectors or scores, ids, figures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hnlm_ray.base.errors import InputError
from hnlm_ray.commands.cf.request import Request

if TYPE_CHECKING:
    from hnlm_ray.cf import Scorer
    from hnlm_ray.cf.files import Loaded


def keep_result(request: Request, answer: Mapping[str, Any], scorer: Scorer, loaded: Loaded) -> None:
    """Write the model's vectors where it has some, and what else was asked for; ``result.json`` comes last.

    InputError where a file can't be written.
    """
    from hnlm_ray.cf import EmbeddingScores
    from hnlm_ray.cf.files import export_index, save_scores

    folder = request.out or "."
    if isinstance(scorer, EmbeddingScores):
        _save_array(os.path.join(folder, "user_embeddings.npy"), scorer.user_embeddings.cpu().numpy())
        _save_array(os.path.join(folder, "item_embeddings.npy"), scorer.item_embeddings.cpu().numpy())
    if request.keep_scores:
        _replaced(os.path.join(folder, "scores.npy"), lambda path: save_scores(scorer, loaded.data.users, path))
    if (index := request.index) is not None:
        _replaced(os.path.join(folder, "items.faiss"), lambda path: export_index(scorer, path, index))
    for name, ids in (("user", loaded.user_ids), ("item", loaded.item_ids)):
        if ids is not None:
            _save_ids(os.path.join(folder, f"{name}_ids.parquet"), name, ids)
    _replaced(os.path.join(folder, "result.json"), lambda path: _save_json(path, answer))


def _replaced(path: str, write: Callable[[str], None]) -> None:
    """Write beside a file and put it in its place whole."""
    fresh = f"{path}.part"
    try:
        write(fresh)
        os.replace(fresh, path)
    except OSError as error:
        raise InputError(f"{path} can't be written ({error.strerror}): choose another --out") from error


def _save_array(path: str, array: Any) -> None:  # noqa: ANN401 numpy is not loaded yet
    import numpy as np

    def write(fresh: str) -> None:
        with open(fresh, "wb") as stream:
            np.save(stream, array, allow_pickle=False)

    _replaced(path, write)


def _save_ids(path: str, name: str, ids: Any) -> None:  # noqa: ANN401 pyarrow is untyped
    import pyarrow as pa
    from pyarrow import parquet

    _replaced(path, lambda fresh: parquet.write_table(pa.table({name: ids}), fresh))


def _save_json(path: str, answer: Mapping[str, Any]) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(answer, stream, indent=1, allow_nan=False)
