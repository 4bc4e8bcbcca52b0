"""What a finished LLM stage of a run teaches later plans: what was answered, and how fast."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hnlm_ray.base.text import first_line
from hnlm_ray.config import Config, LLMConfig
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.rows.job import LLMTask
from hnlm_ray.llm.text.answers import AnswerFormat
from hnlm_ray.plan.estimate.durations import STAGE_S
from hnlm_ray.plan.estimate.stage_cost import asked_of
from hnlm_ray.plan.known.answers import key_of
from hnlm_ray.plan.known.rates import AnswerRate, EngineRate, assumed_rate, changed_rates, engine_key
from hnlm_ray.plan.measure.engine_meter import slots
from hnlm_ray.plan.measure.step_cost import Load, stage_seconds
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.stage import Stage

log = logging.getLogger(__name__)
_ROWS: Final = 1024
_LEAST_BUSY: Final = 0.3
"""Where the engine's start takes more than the rest of a stage, its time tells little of the pace."""
_FURTHEST: Final = 5.0
_PARAMETERS: Final = 135_000_000


@dataclass(frozen=True)
class Seen:
    """What a finished stage took: some of its rows, how many there were in all, and its seconds."""

    rows: Sequence[dict[str, Any]]
    count: int
    seconds: float

    def answers(self, column: str, expected: AnswerFormat) -> AnswerRate:
        """Return what was answered; ``column`` holds the texts."""
        return AnswerRate(
            tokens_out=tuple(row["tokens_out"] for row in self.rows),
            tries=min(10.0, max(1.0, sum(row["attempts"] for row in self.rows) / len(self.rows))),
            chars=tuple(len(expected.text_of(row[column])) for row in self.rows),
            source="run",
        )


def remember_run(config: Config, workspace: Workspace, stage: Stage, done: Manifest) -> None:
    """Update the rates after a stage that went through in one go; that they can't be written is no failure.

    Nothing is learned from a stage that asked no LLM for text, or the scripted one.
    """
    asking = asked_of([stage]).get(stage.name)
    if asking is None or done.tokens.tokens_out == 0 or not engine_kind(config.llm).has_a_model:
        return
    task = asking.task(config, workspace)
    store, column, rows = workspace.table(done.table), next(iter(task.columns.values())), list[dict[str, Any]]()
    for part in done.files:
        table = store.read_parts([part], ["attempts", "tokens_in", "tokens_out", column])
        rows += table.slice(0, _ROWS - len(rows)).to_pylist()
    if not rows:
        return
    try:
        _update(config, task, Seen(rows, sum(part.rows for part in done.files), done.seconds), column)
    except OSError as error:
        log.warning("the rates of stage %s can't be remembered: %s", stage.name, first_line(error))


def _update(config: Config, task: LLMTask, seen: Seen, column: str) -> None:
    with changed_rates() as rates:
        rates.answers[key_of(config, task)] = seen.answers(column, task.expected)
        if has_its_own_pace(config.llm):
            known = rates.engines.get(engine_key(config)) or assumed_rate(config, _PARAMETERS)
            rates.engines[engine_key(config)] = corrected(config, known, seen)


def has_its_own_pace(llm: LLMConfig) -> bool:
    """Tell whether a stage's time is that of an engine here; a server's is that of its limits."""
    kind = engine_kind(llm)
    return kind.has_a_model and kind.server(llm) is None


def corrected(config: Config, known: EngineRate, seen: Seen) -> EngineRate:
    """Return the prices by which a stage takes the seconds that it took."""
    busy, sample = seen.seconds - STAGE_S - known.start_s, [(row["tokens_in"], row["tokens_out"]) for row in seen.rows]
    expected = stage_seconds(known.cost, Load(-(-seen.count // config.llm.engines), sample, slots(config.llm)))
    if busy < _LEAST_BUSY * seen.seconds or expected <= 0:
        return known
    cost = known.cost.scaled(min(_FURTHEST, max(1 / _FURTHEST, busy / expected)))
    prices = {"step_s": cost.step_s, "request_s": cost.request_s, "prompt_token_s": cost.prompt_token_s}
    return EngineRate(start_s=known.start_s, source="run", **prices)
