"""What an LLM engine's time is made of, fitted to measured requests, and how long a stage takes by it.

An engine with continuous batching decodes one token of every request in flight a step. A step costs a constant part
(reading the weights) and a part for each request in it; a request's prompt is read once before. With these three
prices a stage is played through: requests enter as others end, and at the end few are in flight. So a short sample,
of which much is such a tail, tells the time of a long stage, of which little is.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

Floats = npt.NDArray[np.float64]
_PLAYED: Final = 8
"""Longer stages are played for 8 and 16 rows a slot; what follows goes on at that pace."""


@dataclass(frozen=True)
class Call:
    """One measured request: seconds of a clock, tokens read and written."""

    started: float
    ended: float
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True)
class StepCost:
    """Seconds for a decoding step, for each request in a step, and for each token of a prompt."""

    step_s: float
    request_s: float
    prompt_token_s: float

    def scaled(self, factor: float) -> StepCost:
        """Return the prices of a machine that takes ``factor`` times as long."""
        return StepCost(self.step_s * factor, self.request_s * factor, self.prompt_token_s * factor)


def fit_step_cost(calls: Sequence[Call]) -> StepCost:
    """Fit the three prices to requests that were in flight together; none comes out negative.

    A request waits for as many steps as it has tokens, each with the requests then in flight, and for the prompts
    that are read meanwhile, its own included.
    """
    done = [call for call in calls if call.tokens_out > 0 and call.ended > call.started]
    starts, ends = (np.array([getattr(call, name) for call in done]) for name in ("started", "ended"))
    tokens_in, tokens_out = (np.array([getattr(call, name) for call in done], dtype=np.float64) for name in _TOKENS)
    read = np.array(
        [tokens_in[(starts >= start) & (starts < end)].sum() for start, end in zip(starts, ends, strict=True)]
    )
    together = _mean_in_flight(starts, ends)
    known = np.stack([tokens_out, tokens_out * together, read], axis=1)
    prices, _ = nnls(known, ends - starts)
    return StepCost(*(float(price) for price in prices))


_TOKENS: Final = ("tokens_in", "tokens_out")


def _mean_in_flight(starts: Floats, ends: Floats) -> Floats:
    """Return for each request how many were in flight, itself included, on the average of its own time."""
    overlap = np.minimum(ends[:, None], ends[None, :]) - np.maximum(starts[:, None], starts[None, :])
    mean: Floats = np.clip(overlap, 0, None).sum(axis=1) / (ends - starts)
    return mean


@dataclass(frozen=True)
class Load:
    """What one stage asks of one engine: how many rows, and (tokens in, tokens out) of a sample of them, retries in."""

    rows: int
    sample: Sequence[tuple[float, float]]
    slots: int
    """Requests decoded at the same time."""


def stage_seconds(cost: StepCost, load: Load, seed: int = 0) -> float:
    """Return how long the engine is busy with a stage, from its first prompt to its last answer."""
    if not load.rows or not load.sample:
        return 0.0
    short, long = _PLAYED * load.slots, 2 * _PLAYED * load.slots
    if load.rows <= long:
        return _played(cost, load, seed)
    first, second = (_played(cost, replace(load, rows=rows), seed) for rows in (short, long))
    return second + (load.rows - long) * (second - first) / (long - short)


def _played(cost: StepCost, load: Load, seed: int) -> float:
    """Play a stage through: an event is the end of one request and the start of the next."""
    waiting = _drawn(load, seed)
    seconds, step = 0.0, 0.0
    ends: list[float] = []
    for tokens_in, tokens_out in islice(waiting, load.slots):
        seconds += cost.prompt_token_s * tokens_in
        heapq.heappush(ends, step + tokens_out)
    while ends:
        end = heapq.heappop(ends)
        seconds += (end - step) * (cost.step_s + cost.request_s * (len(ends) + 1))
        step = end
        if (row := next(waiting, None)) is not None:
            seconds += cost.prompt_token_s * row[0]
            heapq.heappush(ends, step + row[1])
    return seconds


def _drawn(load: Load, seed: int) -> Iterator[tuple[float, float]]:
    """Draw rows from the sample in a new order, each as often as the others."""
    draw = np.random.default_rng(seed)
    rounds = -(-load.rows // len(load.sample))
    order = np.concatenate([draw.permutation(len(load.sample)) for _ in range(rounds)])[: load.rows]
    return iter([load.sample[index] for index in order])
