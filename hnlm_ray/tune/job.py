"""One CF training of a comparison: the key of its row, what to train, and on which data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hnlm_ray.config import CFConfig
from hnlm_ray.config.spaces import Reads

Row = dict[str, Any]
FINISHED: Final = ("ok", "pruned")
"""Statuses of a training whose validation figure counts."""


def part_of(key: Mapping[str, str | int]) -> str:
    """Return the name of the part that holds the row of a key: its values, in order."""
    return "-".join(str(value) for value in key.values())


@dataclass(frozen=True)
class TrainingKey:
    """What names a training, and what it trains."""

    key: Mapping[str, str | int]
    config: CFConfig

    @property
    def name(self) -> str:
        """The method in tables and results, such as 'lightgcn-dns'."""
        return str(self.key["method"])

    @property
    def search(self) -> int:
        """The search that it belongs to."""
        return int(self.key.get("search", 0))

    @property
    def part(self) -> str:
        """The name of the part that holds its row."""
        return part_of(self.key)


@dataclass(frozen=True)
class Job(TrainingKey):
    """A training to be done: what it reads beside the splits, from which seed, and whether it reads test."""

    reads: Reads
    seed: int
    reads_test: bool

    def to_json(self) -> str:
        """Return it as text: what travels to a worker through Ray Tune."""
        values = {"key": dict(self.key), "reads": self.reads, "seed": self.seed, "reads_test": self.reads_test}
        return json.dumps({**values, "config": self.config.model_dump(mode="json")})

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Return what :meth:`to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "config": CFConfig.model_validate(values["config"])})


@dataclass(frozen=True)
class Ending:
    """How a training ended, as far as the choice of further ones needs it.

    Attributes
    ----------
    status
        ok, pruned, diverged, failed or lost.
    value
        Its best validation figure; none where it has none.
    cpu_seconds
        CPU time that it took, of all processes that worked on it.
    points
        Epoch and validation figure of each evaluation, in order.
    """

    status: str
    value: float | None
    cpu_seconds: float
    points: tuple[tuple[int, float], ...] = ()

    @classmethod
    def of(cls, row: Mapping[str, Any], metric: str) -> Ending:
        """Return how the training of a row ended (maps as dicts or lists of pairs)."""
        curve = [(point["epoch"], point["validation"]) for point in row["curve"] or ()]
        points = tuple((epoch, value) for epoch, value in curve if value is not None)
        return cls(row["status"], dict(row["validation"] or ()).get(metric), row.get("cpu_seconds") or 0.0, points)


@dataclass(frozen=True)
class Told:
    """What is known of a trial.

    Attributes
    ----------
    value
        The best validation metric; none of one that failed or diverged, which counts as the worst, and of one that
        still runs.
    status
        'ok', 'pruned', 'diverged', 'failed' or 'running'; of one that was lost nothing is told.
    """

    trial: int
    config: CFConfig
    value: float | None
    status: str
