"""What the trials of a method tried, and what came of it: the ground of its sensitivity and importance."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

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
