"""Plots of the search: sensitivity of each parameter, importance, and the best figure against what was spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup
from matplotlib.axes import Axes

from hnlm_ray.compare.search_effects import is_number, label_of
from hnlm_ray.report.plots.svg import FAMILIES, MARKERS, MUTED, plot

Row = Mapping[str, Any]
_SMALL: Final = (5.2, 3.2)
_THIN: Final[Mapping[str, Any]] = {"color": MUTED, "linewidth": 0.7, "alpha": 0.6}


def sensitivity(found: Row, families: Mapping[str, str], lead: Sequence[str], metric: str) -> Markup:
    """Draw a parameter: trials of the leading methods as points, means over steps of its values as lines."""
    places = _places(found) if found["is_choice"] else None

    def draw(axes: Axes) -> None:
        for own in sorted(found["methods"], key=lambda own: own["method"] in lead):
            steps = [
                (_x(step["low"], step["high"], places, is_log=found["is_log"]), step["mean"]) for step in own["steps"]
            ]
            if own["method"] not in lead:
                axes.plot(*zip(*steps, strict=True), **_THIN)
                continue
            family = families[own["method"]]
            trials = [(_x(value, value, places, is_log=found["is_log"]), figure) for value, figure in own["points"]]
            axes.plot(*zip(*trials, strict=True), MARKERS[family], color=FAMILIES[family], markersize=3, alpha=0.5)
            axes.plot(*zip(*steps, strict=True), color=FAMILIES[family], linewidth=2.2, label=own["method"])
        if places is not None:
            axes.set_xticks(range(len(places)), list(places))
        elif found["is_log"]:
            axes.set_xscale("log")
        axes.set_xlabel(found["name"])
        axes.set_ylabel(f"validation {metric}")
        if any(own["method"] in lead for own in found["methods"]):
            axes.legend()

    return plot(
        f"sensitivity-{found['name'].replace('.', '-')}", f"validation {metric} by {found['name']}", _SMALL, draw
    )


def _places(found: Row) -> dict[str, int]:
    """Return the place of each value of a choice, numbers first and by size."""
    values = {label_of(value): value for own in found["methods"] for value, _ in own["points"]}
    ordered = sorted(values, key=lambda label: (not is_number(values[label]), _size(values[label]), label))
    return {label: place for place, label in enumerate(ordered)}


def _size(value: Any) -> float:  # noqa: ANN401  a setting
    return float(value) if is_number(value) else 0.0


def _x(low: Any, high: Any, places: Mapping[str, int] | None, *, is_log: bool) -> float:  # noqa: ANN401  settings
    """Return where a step stands: a choice at its place, a range of numbers in its middle."""
    if places is not None:
        return places[label_of(low)]
    return float((low * high) ** 0.5 if is_log else (low + high) / 2)


def importance(found: Row, family: str) -> Markup:
    """Draw a method's shares of importance as bars, the largest at the top."""
    shares = list(found["shares"].items())[::-1]

    def draw(axes: Axes) -> None:
        axes.barh(range(len(shares)), [share for _, share in shares], color=FAMILIES[family], height=0.6)
        axes.set_yticks(range(len(shares)), [name for name, _ in shares])
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of importance")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)

    name = f"importance-{found['name'].replace('.', '-')}"
    return plot(name, f"Importance of the parameters of {found['name']}", (5.2, 1.0 + 0.28 * len(shares)), draw)


def anytime(found: Sequence[Row], families: Mapping[str, str], lead: Sequence[str], metric: str) -> Markup:
    """Draw the best validation figure so far against CPU seconds: the leading methods with their names, others thin."""

    def draw(axes: Axes) -> None:
        for curve in sorted(found, key=lambda curve: curve["name"] in lead):
            leads, colour = curve["name"] in lead, FAMILIES[families[curve["name"]]]
            style: Mapping[str, Any] = {"color": colour, "linewidth": 2.2, "label": curve["name"]} if leads else _THIN
            axes.step(*zip(*curve["points"], strict=True), where="post", **style)
        axes.set_xlabel("CPU seconds of the method's trials")
        axes.set_ylabel(f"best validation {metric}")
        axes.set_xlim(left=0)
        if any(curve["name"] in lead for curve in found):
            axes.legend(loc="lower right")

    return plot("anytime", f"Best validation {metric} so far by CPU seconds", (7.6, 4.0), draw)
