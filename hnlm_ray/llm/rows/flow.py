"""How many rows an engine has at hand, and in how many tasks of Ray."""

from __future__ import annotations

from dataclasses import dataclass

from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.engines import engine_kind

_LEAST_CHUNKS_IN_FLIGHT = 4
_LEAST_TASKS_PER_ENGINE = 8
_QUEUED = 2
"""Tasks that are with an actor, for each that it works on."""
_BYTES_PER_ROW, _LEAST_BYTES = 2**15, 2**23


@dataclass(frozen=True)
class Flow:
    """How many tasks an engine has at a time, and how many chunks each of them holds."""

    tasks: int
    chunks: int

    @property
    def with_an_actor(self) -> int:
        """Tasks that an actor works on or will begin next."""
        return _QUEUED * self.tasks

    def bytes_ahead(self, llm: LLMConfig) -> int:
        """Bound the prompts that are made ahead of the engines: small blocks lie in the driver's own memory.

        It is what all actors have with them, at far more bytes a row than prompts have.
        """
        rows = llm.engines * self.with_an_actor * self.chunks * llm.batch_rows
        return _LEAST_BYTES + _BYTES_PER_ROW * rows


def flow_of(llm: LLMConfig, rows: int) -> Flow:
    """Give an engine twice the rows that it asks for at a time, in few tasks: each costs Ray 10 ms.

    Where ``rows`` are few, tasks are small, so that engines end together.
    """
    in_flight = max(_LEAST_CHUNKS_IN_FLIGHT, -(-2 * engine_kind(llm).at_once(llm) // llm.batch_rows))
    share = rows // (llm.batch_rows * llm.engines * _LEAST_TASKS_PER_ENGINE)
    chunks = max(1, min(in_flight // 2, share))
    return Flow(tasks=-(-in_flight // chunks), chunks=chunks)
