"""What a search's trials tell: how the figure moves with each parameter, and which of them decide (Optuna's PED-ANOVA).

And how soon a search finds what it finds: the best validation figure so far against what was spent.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from hnlm_ray.compare.method_rows import COUNTED, Row
from hnlm_ray.config import CFConfig

Value = bool | int | float | str
FEW_VALUES: Final = 6
"""A number with at most so many values is a choice: its values stand side by side."""
_LOG_SPAN: Final = 10


@dataclass(frozen=True)
class Point:
    """One trial: its values by their names within ``cf``, and its best validation figure."""

    values: Mapping[str, Value]
    metric: float


@dataclass(frozen=True)
class Parameter:
    """One parameter that a method's trials differ in.

    Attributes
    ----------
    is_choice
        Whether its values are few or no numbers.
    is_log
        Whether a number is best seen by its logarithm.
    """

    name: str
    values: tuple[Value, ...]
    is_choice: bool
    is_log: bool


def points_of(trials: Sequence[Row], metric: str) -> list[Point]:
    """Return the trials of all searches that came to a figure, in order; those of an unknown configuration not."""
    rows = sorted((row for row in trials if row["status"] in COUNTED), key=_place)
    figures = [dict(row["validation"] or ()) for row in rows]
    found = [
        (_values(row["config"]), figure[metric]) for row, figure in zip(rows, figures, strict=True) if metric in figure
    ]
    return [Point(values, float(figure)) for values, figure in found if values is not None]


def _place(row: Row) -> tuple[int, int]:
    return int(row["search"]), int(row["trial"])


def _values(text: str) -> dict[str, Value] | None:
    """Return the settings by dotted name; none where they are no ``cf`` section of this version."""
    try:
        return flat(CFConfig.model_validate(json.loads(text)).model_dump(mode="json"))
    except (ValidationError, ValueError):
        return None


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Value]:
    """Return a section as dotted names; a list is a word."""
    found: dict[str, Value] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value if isinstance(value, bool | int | float | str) else _word(value)
    return found


def _word(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def searched(points: Sequence[Point]) -> list[Parameter]:
    """Return the parameters that the trials differ in, by name."""
    names = sorted(set.intersection(*(set(point.values) for point in points))) if points else []
    found = [_parameter(name, {point.values[name] for point in points}) for name in names]
    return [parameter for parameter in found if len(parameter.values) > 1]


def _parameter(name: str, values: set[Value]) -> Parameter:
    if not all(is_number(value) for value in values):
        return Parameter(name, tuple(sorted(values, key=str)), is_choice=True, is_log=False)
    numbers = sorted(float(value) for value in values)
    return Parameter(name, tuple(numbers), is_choice=len(numbers) <= FEW_VALUES, is_log=_is_log(numbers))


def _is_log(numbers: Sequence[float]) -> bool:
    """Tell whether rising numbers span an order of magnitude and lie more evenly by their logarithm."""
    low, middle, high = numbers[0], numbers[len(numbers) // 2], numbers[-1]
    if low <= 0 or high < _LOG_SPAN * low:
        return False
    return abs(math.log(middle / low) / math.log(high / low) - 0.5) < abs((middle - low) / (high - low) - 0.5)


def is_number(value: Value) -> bool:
    """Tell whether a setting is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def label_of(value: Value) -> str:
    """Write a setting: 8 and 8.0 alike, true and false as YAML does."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if is_number(value) else str(value)


Facts = dict[str, Any]
BINS: Final = 5


def sensitivity(points: Sequence[Point]) -> list[Facts]:
    """Return for each searched parameter its points and their means over steps of its values.

    Returns
    -------
    list
        ``{"name", "is_choice", "is_log", "points": [(value, metric)], "steps"}``, in the order of the values; a step
        holds ``low`` and ``high`` (equal for a choice), ``trials``, and the ``mean`` and ``best`` figure of its trials.
        A number's steps hold about equally many trials each. Other parameters vary within a step too: its mean is
        what one may expect there, its best what can be reached.
    """
    return [_of(parameter, points) for parameter in searched(points)]


def _of(parameter: Parameter, points: Sequence[Point]) -> Facts:
    place = {label: number for number, label in enumerate(map(label_of, parameter.values))}
    pairs = [(point.values[parameter.name], point.metric) for point in points]
    pairs.sort(key=lambda pair: (place[label_of(pair[0])], pair[1]))
    steps = [place[label_of(value)] for value, _ in pairs] if parameter.is_choice else _bins(pairs)
    groups = [[pair for pair, own in zip(pairs, steps, strict=True) if own == step] for step in sorted(set(steps))]
    return {
        "name": parameter.name,
        "is_choice": parameter.is_choice,
        "is_log": parameter.is_log,
        "points": pairs,
        "steps": [_step(group) for group in groups],
    }


def _bins(pairs: Sequence[tuple[Value, float]]) -> list[int]:
    """Return the step of each pair, by rising value; equal values stay together, in the lower step."""
    values = np.array([value for value, _ in pairs], np.float64)
    edges = np.unique([values[len(values) * part // BINS - 1] for part in range(1, BINS)])
    return [int(step) for step in np.searchsorted(edges, values, side="left")]


def _step(group: Sequence[tuple[Value, float]]) -> Facts:
    figures = [figure for _, figure in group]
    low, high = group[0][0], group[-1][0]
    return {
        "low": low,
        "high": high,
        "label": _short(low) if low == high else f"{_short(low)} to {_short(high)}",
        "trials": len(group),
        "mean": float(np.mean(figures)),
        "best": max(figures),
    }


def _short(value: Value) -> str:
    """Write a value as short as a reader needs it: whole numbers as they are, others with three digits."""
    return label_of(value) if not is_number(value) or float(value).is_integer() else f"{value:.3g}"


Points = list[tuple[float, float]]


def anytime(trials: Sequence[Row]) -> list[Facts]:
    """Return each method's curve, the trials of a search one after the other in the order of their numbers.

    Returns
    -------
    list
        ``{"name", "trials", "spent", "best", "points": [(CPU seconds, best so far)]}`` of each method that came to a
        figure: a point wherever the best one rose, and one at the end. A trial's seconds count whether or not it
        came to a figure. ``points`` and ``best`` are means over independent searches, from when each has a figure; one
        without any is left out. ``trials`` and ``spent`` are of all searches together.
    """
    names = sorted({str(row["method"]) for row in trials})
    curves = [_curve(name, [row for row in trials if row["method"] == name]) for name in names]
    return [curve for curve in curves if curve is not None]


def _curve(name: str, trials: Sequence[Row]) -> Facts | None:
    searches = sorted({int(row["search"]) for row in trials})
    curves = [_of_search([row for row in trials if row["search"] == search]) for search in searches]
    points = _mean_curve([curve for curve in curves if curve])
    if not points:
        return None
    spent = sum(float(row["cpu_seconds"]) for row in trials)
    return {"name": name, "trials": len(trials), "spent": spent, "best": points[-1][1], "points": points}


def _of_search(trials: Sequence[Row]) -> Points:
    spent, best = 0.0, float("-inf")
    points: Points = []
    for row in sorted(trials, key=lambda row: int(row["trial"])):
        for point in row["curve"] or ():
            if point["validation"] is not None and point["validation"] > best:
                best = float(point["validation"])
                points.append((spent + min(float(point["cpu_seconds"]), float(row["cpu_seconds"])), best))
        spent += float(row["cpu_seconds"])
    if points and points[-1][0] < spent:
        points.append((spent, best))
    return points


def _mean_curve(curves: Sequence[Points]) -> Points:
    """Return the mean of curves that hold each figure until the next, wherever one of them rises."""
    begun = max((curve[0][0] for curve in curves), default=0.0)
    times = sorted({time for curve in curves for time, _ in curve if time >= begun})
    held = [_held(curve, times) for curve in curves]
    return [(time, float(np.mean(figures))) for time, figures in zip(times, zip(*held, strict=True), strict=True)]


def _held(curve: Points, times: Sequence[float]) -> list[float]:
    places = np.searchsorted([time for time, _ in curve], times, side="right") - 1
    return [curve[place][1] for place in places]


LEAST_TO_RANK: Final = 20
BEST_SHARE: Final = 0.25
"""Of the trials: at least five of them, as PED-ANOVA asks for."""


def importance(points: Sequence[Point]) -> Facts:
    """Return how much each searched parameter separates the best quarter of the trials from all.

    By PED-ANOVA (Watanabe et al., IJCAI 2023): it compares the values of the best trials with those of all
    trials of the search itself, so that it fits trials that a sampler chose as well.

    Returns
    -------
    dict
        ``shares``: parameter -> share, the largest first, together 1; empty where ``lacking`` says why.
    """
    lacking = _lacking(points)
    return {"trials": len(points), "shares": {} if lacking else _shares(points, searched(points)), "lacking": lacking}


def _lacking(points: Sequence[Point]) -> str | None:
    if len(points) < LEAST_TO_RANK:
        return f"{len(points)} trials with a figure, it takes {LEAST_TO_RANK}"
    if not searched(points):
        return "its trials differ in no parameter"
    if len({point.metric for point in points}) == 1:
        return "all trials have the same figure"
    return None


def _shares(points: Sequence[Point], parameters: Sequence[Parameter]) -> dict[str, float]:
    # Takes most of a second; only who asks for importances waits for it.
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    study.add_trials([_trial(point, parameters) for point in points])
    evaluator = PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        found = get_param_importances(study, evaluator=evaluator)
    ordered = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    return {name: float(share) for name, share in ordered}


def _trial(point: Point, parameters: Sequence[Parameter]) -> Any:  # noqa: ANN401  Optuna's FrozenTrial
    from optuna.trial import create_trial

    return create_trial(
        params={parameter.name: _value(point, parameter) for parameter in parameters},
        distributions={parameter.name: _distribution(parameter) for parameter in parameters},
        value=point.metric,
    )


def _value(point: Point, parameter: Parameter) -> Any:  # noqa: ANN401  what the parameter holds
    value = point.values[parameter.name]
    return label_of(value) if parameter.is_choice else float(value)


def _distribution(parameter: Parameter) -> Any:  # noqa: ANN401  Optuna is untyped
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if parameter.is_choice:
        return CategoricalDistribution([label_of(value) for value in parameter.values])
    return FloatDistribution(float(parameter.values[0]), float(parameter.values[-1]), log=parameter.is_log)
