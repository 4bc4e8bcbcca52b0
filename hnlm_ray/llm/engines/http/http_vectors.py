"""What a reply of OpenAI's embeddings interface says."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

Vectors = npt.NDArray[np.float32]
_LEAST_NORM, _MOST_NORM = 1e-12, 1e12


class _Embedding(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)

    index: int
    embedding: list[float]


class _Embeddings(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    data: list[_Embedding]


def read_vectors(body: bytes, count: int, width: int | None) -> Vectors:
    """Return float32 [count, d] of unit length, in the order of the texts; ``width`` is d where it is known.

    Raises
    ------
    ValueError
        When these are not ``count`` numbered vectors of one length, finite and not zero.
    """
    try:
        data = _Embeddings.model_validate_json(body).data
    except ValidationError as error:
        told = error.errors(include_input=False, include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, told['loc'])) or 'the body'}: {told['msg']}") from None
    data.sort(key=lambda one: one.index)
    if [one.index for one in data] != list(range(count)):
        raise ValueError(f"{len(data)} vectors came back for {count} texts, or they are numbered otherwise")
    widths = {len(one.embedding) for one in data}
    if len(widths | {width or max(widths)}) != 1 or widths == {0}:
        raise ValueError(f"the vectors have {sorted(widths)[:3]} numbers, not the same in all")
    return _unit(np.asarray([one.embedding for one in data], dtype=np.float64))


def _unit(vectors: npt.NDArray[np.float64]) -> Vectors:
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not ((norms > _LEAST_NORM) & (norms < _MOST_NORM)).all():
        raise ValueError("a vector is zero or endless")
    return cast("Vectors", (vectors / norms).astype(np.float32))
