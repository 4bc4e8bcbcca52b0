"""What the rows of the LLM stages will take: measured here, remembered, or assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hnlm_ray.base.progress import Progress
from hnlm_ray.config import Config
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.engines.base import Request
from hnlm_ray.llm.rows.job import LLMTask, RowPrompt
from hnlm_ray.plan.known.rates import AnswerRate, Rates, answer_key
from hnlm_ray.plan.measure.engine_meter import Asked, OpenMeter
from hnlm_ray.plan.measure.sampling import Asking, Sampler, Text, Texts
from hnlm_ray.plan.measure.step_cost import Call
from hnlm_ray.workspace import Workspace

_CHARS_PER_TOKEN: Final = 3.5
_FRAME_TOKENS: Final = 6
"""Tokens of a JSON object's braces, and of each field's name and quotes."""
_ASSUMED_FILL: Final = 0.8
_ASSUMED_TRIES: Final = 1.1
_KNOWN_TEXTS: Final = 10_000


@dataclass(frozen=True)
class Answers:
    """What a sample of a stage's rows takes: (tokens in, tokens out) of each, retries included.

    ``tries``: prompts sent for a row; ``chars``: characters of the texts that come of it, 0 where none does.
    """

    sample: tuple[tuple[float, float], ...]
    tries: float
    chars: tuple[int, ...]
    source: str

    @property
    def means(self) -> tuple[float, float]:
        """Tokens in and out of a row."""
        count = max(1, len(self.sample))
        return sum(one[0] for one in self.sample) / count, sum(one[1] for one in self.sample) / count


def remembered(config: Config, task: LLMTask, rates: Rates) -> AnswerRate | None:
    """Return what is remembered of a stage's answers."""
    return rates.answers.get(key_of(config, task))


def key_of(config: Config, task: LLMTask) -> str:
    """Return the key under which a stage's answers are remembered."""
    return answer_key(config, task.prompt.version, dict(task.expected.fields), task.max_tokens)


def ask(
    sampler: Sampler, stages: Mapping[str, Asking], known: Mapping[str, Texts], meter: OpenMeter, progress: Progress
) -> tuple[dict[str, Answers], dict[str, Texts], list[Call]]:
    """Have the engine answer the samples of these stages, one after the other: each needs the texts before it."""
    answers: dict[str, Answers] = {}
    texts = dict(known)
    calls: list[Call] = []
    for stage, asking in stages.items():
        rows = asking.prompts(sampler, texts)
        asked = meter.ask(asking.task(sampler.config, sampler.workspace), rows, progress)
        answers[stage] = measured(asked)
        texts[stage] = Texts({row.key: row.text for row in asked.rows}, [row.text for row in asked.rows])
        calls += asked.calls
    return answers, texts, calls


def measured(asked: Asked) -> Answers:
    """Return what a measured sample took."""
    rows = asked.rows
    return Answers(
        tuple((row.tokens_in, row.tokens_out) for row in rows),
        sum(row.attempts for row in rows) / max(1, len(rows)),
        tuple(len(row.text or "") for row in rows),
        f"tokens and time: {len(rows)} rows answered by the engine",
    )


def expect(
    sampler: Sampler, stages: Mapping[str, Asking], known: Mapping[str, Texts], rates: Rates
) -> tuple[dict[str, Answers], dict[str, Texts]]:
    """Count the tokens of real prompts; what is answered comes from what is remembered, else it is assumed."""
    answers: dict[str, Answers] = {}
    texts = dict(known)
    llm = sampler.config.llm
    count = engine_kind(llm).prompt_tokens(llm)
    for stage, asking in stages.items():
        task = asking.task(sampler.config, sampler.workspace)
        rate, source = _answer_rate(sampler.config, task, rates)
        rows = asking.prompts(sampler, texts)
        answers[stage] = _expected(task, rows, rate, count, source)
        texts[stage] = Texts({}, [_filler(chars) for chars in rate.chars])
    return answers, texts


def _answer_rate(config: Config, task: LLMTask, rates: Rates) -> tuple[AnswerRate, str]:
    rate = remembered(config, task, rates)
    if rate is None:
        return assumed(task), f"tokens in: real prompts; out: assumed, {_ASSUMED_FILL:.0%} of each field's length"
    how = "an earlier run" if rate.source == "run" else "an earlier plan"
    return rate, f"tokens in: real prompts; out: measured by {how} on {rate.day}"


def assumed(task: LLMTask) -> AnswerRate:
    """Assume answers that fill most of their fields, and a tenth of them drawn again."""
    lengths = [length * _ASSUMED_FILL for length in task.expected.fields.values()]
    tokens = _FRAME_TOKENS * (1 + len(lengths)) + sum(lengths) / _CHARS_PER_TOKEN
    out = min(float(task.max_tokens), tokens) * _ASSUMED_TRIES
    return AnswerRate(tokens_out=(out,), tries=_ASSUMED_TRIES, chars=(int(lengths[0]),))


def _expected(
    task: LLMTask, rows: Sequence[RowPrompt], rate: AnswerRate, count: Callable[[Request], int], source: str
) -> Answers:
    draw = np.random.default_rng(0)
    out = draw.choice(np.array(rate.tokens_out), size=len(rows))
    requests = (task.request(row.key, row.content, 1) for row in rows)
    sample = tuple((count(request) * rate.tries, float(one)) for request, one in zip(requests, out, strict=True))
    return Answers(sample, rate.tries, rate.chars, source)


def _filler(chars: int) -> Text:
    return ("quiet story of a winter journey, " * (1 + chars // 30))[:chars] if chars else None


def written_texts(workspace: Workspace, table: str, column: str) -> Texts:
    """Return some of the texts that a finished stage wrote, for others to be drawn from."""
    rows = workspace.table(table).read_file(0, [column])
    return Texts({}, rows[column].slice(0, _KNOWN_TEXTS).to_pylist())
