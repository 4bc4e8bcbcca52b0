"""The trials and refits of one method, and its figures.

What a comparison's sample is made of: independent searches, or the seeds of a single one. What a search finds varies by
itself, often more than its winner does from seed to seed. So where two methods share two or more searches these are the
sample, each the mean of its refits (seeds nested in searches); else it is the refits, and what is found holds for the
configurations that were refitted. From the same rows follows whether words may speak of methods or of configurations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.text import folded, shown
from hnlm_ray.workspace.tables import LOST

Unit = Literal["searches", "seeds"]
_REPLICATED: Final = 2


def unit_of(searches: Sequence[int]) -> Unit:
    """Return what is one draw of the sample, from the search of each refit."""
    return "searches" if len(set(searches)) >= _REPLICATED else "seeds"


def unit_means(values: ArrayLike, searches: Sequence[int]) -> NDArray[np.float64]:
    """Return float[units, ...] of float[refits, ...]: means over each search's refits, or with one search the refits.

    Parameters
    ----------
    searches
        The search of each refit; units follow by their numbers.
    """
    rows = np.asarray(values, np.float64)
    if unit_of(searches) == "seeds":
        return rows
    of = np.asarray(searches)
    return np.array([rows[of == search].mean(0) for search in np.unique(of)])


Row = Mapping[str, Any]
Refits = Sequence[tuple[Row, Row]]
"""Refits of two methods under the same search and seed."""
Figures = dict[str, float | None]
COUNTED: Final = ("ok", "pruned")
"""Trials with a validation figure: one that was stopped early has that of its best epoch so far."""
_REASONS: Final = 3
_DIED: Final = "its process died"
_ARRAYS: Final = ["per_user", "found"]


@dataclass(frozen=True)
class MethodRows:
    """One method's rows of the tables ``trials`` and ``results`` (maps as dicts or lists of pairs).

    Trainings that were lost with their process are not among them: ``lost`` counts them, of trials and of seeds.
    """

    name: str
    trials: tuple[Row, ...]
    results: tuple[Row, ...]
    lost: Mapping[str, int] = field(default_factory=dict)

    @property
    def refits(self) -> list[Row]:
        """The refits that finished, by search and seed."""
        return sorted((row for row in self.results if row["status"] == "ok"), key=_refit_key)

    @property
    def searches(self) -> list[int]:
        """The searches of which a refit finished."""
        return sorted({int(row["search"]) for row in self.refits})

    @property
    def validation(self) -> Figures:
        """Means over the searches, each the mean of its refits; empty where these saw no validation."""
        return _means(self._of_units("validation"))

    def best_trial(self, metric: str) -> Figures:
        """Return the validation figures of a search's trial that is best by ``metric``, means over the searches."""
        best = dict[int, dict[str, float]]()
        for row in self.trials:
            own, search = dict(row["validation"] or ()) if row["status"] in COUNTED else {}, int(row["search"])
            if metric in own and (search not in best or own[metric] > best[search][metric]):
                best[search] = own
        return _means(list(best.values()))

    @property
    def test(self) -> Figures:
        """Means over the searches, each the mean of its refits."""
        return _means(self._of_units("test"))

    @property
    def test_std(self) -> Figures:
        """Standard deviations (n - 1) over the searches, or over the refits of a single one; none of one figure."""
        tests = self._of_units("test")
        return {
            name: float(np.std([row[name] for row in tests], ddof=1)) if len(tests) > 1 else None for name in self.test
        }

    def _of_units(self, column: str) -> list[dict[str, float]]:
        """Return a map's figures, a unit of the sample each."""
        rows = [dict(row[column] or ()) for row in self.refits]
        names = sorted(set.intersection(*map(set, rows))) if rows else []
        values = [[float(row[name]) for name in names] for row in rows]
        means = unit_means(values, [int(row["search"]) for row in self.refits])
        return [dict(zip(names, own, strict=True)) for own in means.tolist()]

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
        _method_rows(name, *([row for row in rows if row["method"] == name] for rows in (trials, results)))
        for name in names
    ]


def _method_rows(name: str, trials: Sequence[Row], results: Sequence[Row]) -> MethodRows:
    counted = [tuple(row for row in rows if not was_lost(row)) for rows in (trials, results)]
    lost = {"trials": len(trials) - len(counted[0]), "seeds": len(results) - len(counted[1])}
    return MethodRows(name, counted[0], counted[1], {what: count for what, count in lost.items() if count})


def was_lost(row: Row) -> bool:
    """Tell whether a training was lost with its process; before there was a status for it such a one had failed."""
    return row["status"] == LOST or (row["status"] == "failed" and (row["error"] or "").startswith(_DIED))


def shared_refits(a: MethodRows, b: MethodRows) -> list[tuple[Row, Row]]:
    """Return the refits of both methods under the searches and seeds that both finished."""
    first, second = ({_refit_key(row): row for row in method.refits} for method in (a, b))
    return [(first[key], second[key]) for key in sorted(first.keys() & second.keys())]


def searches_of(refits: Refits) -> list[int]:
    """Return the search of each refit."""
    return [int(row["search"]) for row, _ in refits]


def per_user_values(refits: Refits) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return float64[units, users] of both methods by unit of the sample; none without refits or users."""
    values = [[np.asarray(_of(row), np.float64) for row in pair] for pair in refits]
    lengths = {len(own) for pair in values for own in pair}
    if len(lengths) > 1:
        raise InputError(f"results hold per-user values of {sorted(lengths)} users; all need the same test users")
    if not values or lengths == {0}:
        return None
    first, second = (unit_means(rows, searches_of(refits)) for rows in zip(*values, strict=True))
    return first, second


def _refit_key(row: Row) -> tuple[int, int]:
    return int(row["search"]), int(row["seed"])


def _of(row: Row) -> Any:  # noqa: ANN401  a list or an array
    return () if row["per_user"] is None else row["per_user"]


def _means(rows: Sequence[Mapping[str, float]]) -> Figures:
    names = set.intersection(*(set(row) for row in rows)) if rows else set()
    return {name: float(np.mean([row[name] for row in rows])) for name in sorted(names)}


def _unfinished(rows: Sequence[Row]) -> dict[str, int]:
    return dict(Counter(str(row["status"]) for row in rows if row["status"] not in COUNTED))


Scope = Literal["methods", "configurations"]
LEAST_SEARCHES: Final = 2
LEAST_TRIALS: Final = 20
"""Over a method's searches together: with fewer, what a search finds is mostly luck."""


def speaks_of(a: MethodRows, b: MethodRows, found_by: Mapping[str, Sequence[Row] | None]) -> Scope:
    """Return what a comparison of two methods speaks of.

    It speaks of methods where both share :data:`LEAST_SEARCHES` searches, in which the configuration of each was found
    among :data:`LEAST_TRIALS` trials together that came to a figure.

    Parameters
    ----------
    found_by
        The trials that decided each method's configurations, by its name in results: its own, and those of the methods
        whose settings it takes; none of one that searches nothing, which is its configuration and needs no search.
    """
    searches = set(searches_of(shared_refits(a, b)))
    told = all(_is_replicated(found_by[rows.name], searches) for rows in (a, b))
    return "methods" if told else "configurations"


def _is_replicated(trials: Sequence[Row] | None, searches: Collection[int]) -> bool:
    if trials is None:
        return True
    counted = sum(int(row["search"]) in searches and row["status"] in COUNTED for row in trials)
    return len(searches) >= LEAST_SEARCHES and counted >= LEAST_TRIALS
