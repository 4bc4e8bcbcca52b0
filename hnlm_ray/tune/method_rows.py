"""The trials and refits of one method, and its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.errors import InputError

Row = Mapping[str, Any]
Figures = dict[str, float | None]


@dataclass(frozen=True)
class MethodRows:
    """One method's rows of the tables ``trials`` and ``results`` (maps as dicts or lists of pairs)."""

    name: str
    trials: tuple[Row, ...]
    results: tuple[Row, ...]

    @property
    def refits(self) -> list[Row]:
        """The refits that finished, by seed."""
        return sorted((row for row in self.results if row["status"] == "ok"), key=lambda row: int(row["seed"]))

    @property
    def validation(self) -> Figures:
        """Means over the refits; where these saw no validation, the best trial's."""
        return _means([dict(row["validation"] or ()) for row in self.refits])

    def best_trial(self, metric: str) -> Figures:
        """Return the validation figures of the trial that is best by ``metric``; empty without one."""
        finished = [dict(row["validation"] or ()) for row in self.trials if row["status"] == "ok"]
        return max((row for row in finished if metric in row), key=lambda row: float(row[metric]), default={})

    @property
    def test(self) -> Figures:
        """Means over the refits."""
        return _means(self._tests())

    @property
    def test_std(self) -> Figures:
        """Standard deviations over the refits (n - 1); none with a single one."""
        tests = self._tests()
        return {
            name: float(np.std([row[name] for row in tests], ddof=1)) if len(tests) > 1 else None for name in self.test
        }

    def _tests(self) -> list[dict[str, float]]:
        return [dict(row["test"] or ()) for row in self.refits]

    @property
    def errors(self) -> dict[str, dict[str, int]]:
        """How many trials and refits did not finish, by status."""
        return {"trials": _unfinished(self.trials), "seeds": _unfinished(self.results)}


def group_rows(trials: Sequence[Row], results: Sequence[Row]) -> list[MethodRows]:
    """Return the methods of both tables, in the order of their names."""
    names = sorted({str(row["method"]) for row in (*trials, *results)})
    return [
        MethodRows(
            name,
            tuple(row for row in trials if row["method"] == name),
            tuple(row for row in results if row["method"] == name),
        )
        for name in names
    ]


def paired_values(a: MethodRows, b: MethodRows) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return float64[seeds, users] of both methods over the seeds that both finished; none without one."""
    first = {int(row["seed"]): row["per_user"] for row in a.refits}
    second = {int(row["seed"]): row["per_user"] for row in b.refits}
    seeds = sorted(first.keys() & second.keys())
    lengths = {len(values or ()) for seed in seeds for values in (first[seed], second[seed])}
    if len(lengths) > 1:
        raise InputError(f"results hold per-user values of {sorted(lengths)} users; all need the same test users")
    if not seeds or lengths == {0}:
        return None
    return np.array([first[seed] for seed in seeds]), np.array([second[seed] for seed in seeds])


def _means(rows: Sequence[Mapping[str, float]]) -> Figures:
    names = set.intersection(*(set(row) for row in rows)) if rows else set()
    return {name: float(np.mean([row[name] for row in rows])) for name in sorted(names)}


def _unfinished(rows: Sequence[Row]) -> dict[str, int]:
    return dict(Counter(str(row["status"]) for row in rows if row["status"] != "ok"))
