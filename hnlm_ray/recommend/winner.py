"""Which method recommends: the best on validation, with the configuration and the epochs that made it the best."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hnlm_ray.base.errors import StageError
from hnlm_ray.compare.leaderboard import best_by_validation
from hnlm_ray.compare.method_rows import MethodRows, Row, group_rows
from hnlm_ray.config import CFConfig, MethodName
from hnlm_ray.methods.known import METHODS, Method, family, method_of


@dataclass(frozen=True)
class Winner:
    """The chosen method: its name in results, what it trains with, and for how many epochs."""

    name: str
    method: MethodName
    config: CFConfig
    epochs: int


def choose_winner(
    trials: Sequence[Row], results: Sequence[Row], metric: str, methods: Mapping[MethodName, Method] = METHODS
) -> Winner:
    """Return the method with the best validation mean of ``metric``; of equals a classical one.

    Of several searches of it the one whose refits are best on validation is taken.

    Controls are left out: they tell what a method's meaning is worth, and nobody would run one. So are ease and what
    is fused with a teacher, which have no vectors to recommend with. Test figures choose nothing. ``epochs`` is the
    mean best epoch of the method's refits, rounded.

    Parameters
    ----------
    methods
        Those of the run.

    Raises
    ------
    StageError
        No method that can recommend finished.
    """
    groups = [group for group in group_rows(trials, results) if _has_vectors(group, methods)]
    entries = _entries(groups, metric, methods)
    names = [best_by_validation(entries, of_family, metric) for of_family in ("classical", "semantic", "text")]
    found = [group for name in names for group in groups if group.name == name]
    if not found:
        raise StageError(
            "no method that can recommend (controls can't, nor can ease or a late fusion) finished its refits: see "
            "the errors in the results table, mend their cause and run the same command again"
        )
    best = _best_search(max(found, key=lambda group: _validation(group, metric) or 0.0), metric)
    epochs = sum(int(row["best_epoch"]) for row in best.refits) / len(best.refits)
    config = CFConfig.model_validate(json.loads(best.refits[0]["config"]))
    return Winner(best.name, method_of(best.name, methods), config, int(epochs + 0.5))


def _best_search(group: MethodRows, metric: str) -> MethodRows:
    """Return a method's rows of its best search alone; of equals the first."""
    searches = [
        MethodRows(
            group.name,
            tuple(row for row in group.trials if row["search"] == search),
            tuple(row for row in group.results if row["search"] == search),
        )
        for search in group.searches
    ]
    return max(searches, key=lambda one: _validation(one, metric) or 0.0)


def _has_vectors(group: MethodRows, methods: Mapping[MethodName, Method]) -> bool:
    method = methods[method_of(group.name, methods)]
    return method.model != "ease" and method.fixed.get("fusion", "none") == "none"


def _entries(
    groups: Sequence[MethodRows], metric: str, methods: Mapping[MethodName, Method]
) -> list[dict[str, object]]:
    return [
        {
            "name": group.name,
            "family": family(group.name, methods),
            "test": {metric: group.test.get(metric)},
            "validation": {metric: _validation(group, metric)},
        }
        for group in groups
    ]


def _validation(group: MethodRows, metric: str) -> float | None:
    """Return the mean over the refits; where these saw no validation, the best trial's."""
    return group.validation.get(metric, group.best_trial(metric).get(metric))
