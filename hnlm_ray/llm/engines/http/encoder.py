"""Texts to unit vectors by the embeddings of an OpenAI-compatible server.

What a reply of OpenAI's embeddings interface says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from hnlm_ray.base.errors import HnlmError, StageError
from hnlm_ray.config.llm import HttpServer
from hnlm_ray.llm.engines.http.client import HttpClient
from hnlm_ray.llm.engines.http.rate_limits import Clock
from hnlm_ray.llm.engines.http.transport import Failure, Reply

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


_BATCH = 32
_CHARS_PER_TOKEN = 4


class HttpEncoder:
    """Asks a server for vectors, 32 texts at a time; ``sharers`` processes divide its limits per minute.

    An empty text is not sent: its vector is all zeros.
    """

    def __init__(
        self, server: HttpServer, model: str, setting: str, sharers: int = 1, clock: Clock | None = None
    ) -> None:
        self._server, self._model = server, model
        self._client = HttpClient(server, setting, sharers, clock)
        self._loop = asyncio.Runner()
        self._width: int | None = None

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 [texts, d] of unit length.

        Raises
        ------
        StageError
            When the server gives no vectors, or not those asked for.
        """
        sent = [row for row, text in enumerate(texts) if text.strip()]
        batches = [sent[start : start + _BATCH] for start in range(0, len(sent), _BATCH)]
        found = self._loop.run(self._encode(texts, batches))
        if self._width is None:
            return np.zeros((len(texts), 1), dtype=np.float32)
        vectors = np.zeros((len(texts), self._width), dtype=np.float32)
        for rows, part in zip(batches, found, strict=True):
            vectors[rows] = part
        return vectors

    async def _encode(self, texts: Sequence[str], batches: Sequence[list[int]]) -> list[Vectors]:
        """Encode batches, as many at a time as the server may be asked."""
        found: list[Vectors] = [np.empty(0, dtype=np.float32)] * len(batches)
        numbered = iter(enumerate(batches))

        async def work() -> None:
            for number, rows in numbered:
                found[number] = await self._batch([texts[row] for row in rows])

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._server.concurrency, len(batches))):
                    group.create_task(work())
        except* HnlmError as errors:
            raise _first(errors) from None
        return found

    async def _batch(self, texts: list[str]) -> Vectors:
        tokens = sum(map(len, texts)) // _CHARS_PER_TOKEN + 1
        body = {"model": self._model, "input": texts, **self._server.extra}
        reply = await self._client.post("/embeddings", body, tokens)
        if isinstance(reply, Failure):
            raise self._no_vectors(reply.told)
        if not 200 <= reply.status < 300:
            raise self._no_vectors(self._client.verdict.told(reply))
        vectors = self._read(reply, len(texts))
        self._client.verdict.useful()
        return vectors

    def _read(self, reply: Reply, count: int) -> Vectors:
        try:
            vectors = read_vectors(reply.body, count, self._width)
        except ValueError as error:
            raise self._no_vectors(self._client.key.out_of_message(str(error))) from None
        self._width = vectors.shape[1]
        return vectors

    def _no_vectors(self, told: str) -> StageError:
        at, remedy = self._server.base_url, "check the server and llm.encoder"
        return StageError(f"{at} gives no vectors of model '{self._model}' ({told}): {remedy}")

    def close(self) -> None:
        """Close the connections."""
        self._loop.run(self._client.close())
        self._loop.close()


def _first(errors: BaseExceptionGroup[HnlmError]) -> HnlmError:
    first = errors.exceptions[0]
    return first if isinstance(first, HnlmError) else _first(first)
