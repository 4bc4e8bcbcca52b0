"""The trials and refits of one method, and its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hnlm_ray.errors import InputError
from hnlm_ray.llm.failures import folded, shown

Row = Mapping[str, Any]
Figures = dict[str, float | None]
COUNTED: Final = ("ok", "pruned")
"""Trials with a validation figure: one that was stopped early has that of its best epoch so far."""
_REASONS: Final = 3
_ARRAYS: Final = ["per_user", "found"]


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
        finished = [dict(row["validation"] or ()) for row in self.trials if row["status"] in COUNTED]
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

    @property
    def reasons(self) -> list[dict[str, Any]]:
        """The most frequent error messages of trials and refits, numbers and names in them folded, safe to print."""
        rows = [row for row in (*self.trials, *self.results) if row["status"] not in COUNTED]
        found = Counter(folded(shown(row["error"])) for row in rows)
        return [{"error": error, "count": count} for error, count in found.most_common(_REASONS)]

    @property
    def found_a_setting(self) -> bool:
        """Whether a trial came to a validation figure, or a refit is there at all."""
        return bool(self.results) or any(row["status"] in COUNTED for row in self.trials)

    @property
    def pruned(self) -> int:
        """How many trials were stopped early."""
        return sum(row["status"] == "pruned" for row in self.trials)

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all trials together."""
        return float(sum(row["cpu_seconds"] for row in self.trials))


def refit_rows(results: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of the table ``results``; what it holds for each user and test row as arrays."""
    rows: list[dict[str, Any]] = results.drop_columns(_ARRAYS).to_pylist()
    for name in _ARRAYS:
        for row, values in zip(rows, results[name], strict=True):
            row[name] = values.values.to_numpy(zero_copy_only=False) if values.is_valid else None
    return rows


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


def shared_refits(a: MethodRows, b: MethodRows) -> list[tuple[Row, Row]]:
    """Return the refits of both methods under the seeds that both finished."""
    first, second = ({int(row["seed"]): row for row in method.refits} for method in (a, b))
    return [(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys())]


def per_user_values(refits: Sequence[tuple[Row, Row]]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return float64[seeds, users] of both methods; none without a refit or without users."""
    values = [[np.asarray(_of(row), np.float64) for row in pair] for pair in refits]
    lengths = {len(own) for pair in values for own in pair}
    if len(lengths) > 1:
        raise InputError(f"results hold per-user values of {sorted(lengths)} users; all need the same test users")
    if not values or lengths == {0}:
        return None
    first, second = (np.array(rows) for rows in zip(*values, strict=True))
    return first, second


def _of(row: Row) -> Any:  # noqa: ANN401  a list or an array
    return () if row["per_user"] is None else row["per_user"]


def _means(rows: Sequence[Mapping[str, float]]) -> Figures:
    names = set.intersection(*(set(row) for row in rows)) if rows else set()
    return {name: float(np.mean([row[name] for row in rows])) for name in sorted(names)}


def _unfinished(rows: Sequence[Row]) -> dict[str, int]:
    return dict(Counter(str(row["status"]) for row in rows if row["status"] not in COUNTED))
