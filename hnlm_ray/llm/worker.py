"""The Ray Data actor around one engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import cast

import pyarrow as pa

from hnlm_ray.config import LLMConfig
from hnlm_ray.errors import HnlmError, StageError
from hnlm_ray.llm.bucket import outcome_table
from hnlm_ray.llm.engine import Outcome, Request, TextEngine, answer
from hnlm_ray.llm.job import Key, LLMTask, RowJob
from hnlm_ray.llm.models import model_on_this_node
from hnlm_ray.llm.scripted_engine import ScriptedEngine
from hnlm_ray.workspace.folder import named


def open_engine(llm: LLMConfig, seed: int) -> TextEngine:
    """Start the engine of a configuration.

    Raises
    ------
    StageError
        When vLLM can't start: its own errors (of damaged weights: a MemoryError) don't say what to look at.
    """
    if llm.engine == "scripted":
        return ScriptedEngine(llm.scripted)
    from hnlm_ray.llm.vllm_engine import VLLMEngine

    try:
        return VLLMEngine(llm, model_on_this_node(llm.model), seed)
    except HnlmError:
        raise
    except Exception as error:
        raise StageError(
            f"vLLM can't start with llm.model '{llm.model}' ({named(error)}): check the checkpoint's files, llm.dtype, "
            "llm.max_model_len and the memory; the log has vLLM's own words"
        ) from error


class EngineWorker:
    """Answers chunks of rows and writes each as soon as it is whole."""

    def __init__(self, job: RowJob) -> None:
        self._job, self._task = job, cast("LLMTask", job.task)
        self._engine = open_engine(job.llm, job.config.seed)

    async def __call__(self, batch: pa.Table) -> AsyncIterator[pa.Table]:
        """Answer the rows of each chunk together, write the chunk, and report its size."""
        for chunk in batch.to_pylist():
            rows = [(tuple(key), messages) for key, messages in json.loads(chunk["rows"])]
            outcomes = await asyncio.gather(*(self._answer(key, messages) for key, messages in rows))
            table = outcome_table(self._job, [key for key, _ in rows], outcomes)
            await asyncio.to_thread(self._job.store.write_part, self._job.chunks, chunk["name"], table)
            tokens = sum(outcome.tokens_in + outcome.tokens_out for outcome in outcomes)
            yield pa.table({"rows": [len(rows)], "tokens": [tokens]})

    async def _answer(self, key: Key, messages: list[dict[str, str]]) -> Outcome:
        request = Request("-".join(map(str, key)), messages, self._task.max_tokens)
        return await answer(self._engine, request, self._task.expected, self._job.llm.max_attempts)
