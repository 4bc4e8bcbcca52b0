"""How many rows an engine has at hand, and in how many tasks of Ray."""

from __future__ import annotations

from dataclasses import dataclass

from hnlm_ray.config import LLMConfig

_LEAST_CHUNKS_IN_FLIGHT = 4
_LEAST_TASKS_PER_ENGINE = 8


@dataclass(frozen=True)
class Flow:
    """How many tasks an engine has at a time, and how many chunks each of them holds."""

    tasks: int
    chunks: int


def flow_of(llm: LLMConfig, rows: int) -> Flow:
    """Give an engine twice the rows that it asks for at a time, in few tasks: each costs Ray 10 ms.

    Where ``rows`` are few, tasks are small, so that engines end together.
    """
    at_once = llm.http.concurrency if llm.http is not None and llm.engine == "http" else llm.max_num_seqs
    in_flight = max(_LEAST_CHUNKS_IN_FLIGHT, -(-2 * at_once // llm.batch_rows))
    share = rows // (llm.batch_rows * llm.engines * _LEAST_TASKS_PER_ENGINE)
    chunks = max(1, min(in_flight // 2, share))
    return Flow(tasks=-(-in_flight // chunks), chunks=chunks)
