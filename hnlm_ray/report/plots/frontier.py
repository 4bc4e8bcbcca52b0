"""The plot of samplers on one model: hardness against false negatives, with the curve of DNS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from hnlm_ray.compare.equal_hardness import Resampled, lowest_share
from hnlm_ray.report.plots.charts import marker, name_point, percent_axis
from hnlm_ray.report.plots.svg import FAMILIES, INK, plot

Row = Mapping[str, Any]
_SHARE: Final = "false_negative_share"
_STEPS: Final = 60
_BELOW: Final = (6, -13)
"""Where names stand: the curve is above most points."""


def frontier(found: Row) -> Markup:
    """Draw DNS along its hardness as a line, what it comes to at least dashed, and each method as a point."""

    def draw(axes: Axes) -> None:
        _curve(axes, found["reference"])
        for row in found["grid"]:
            axes.plot([row["hardness"]], [row[_SHARE]], "o", color=FAMILIES[row["family"]], markersize=3, alpha=0.5)
        for row in [*found["controls"], *sorted(found["own"], key=lambda row: row["family"] != "control")]:
            _point(axes, row)
        axes.set_xlabel("hardness: share of negatives that rank above their positive")
        axes.set_ylabel("false negatives")
        percent_axis(axes)

    return plot("frontier", "Hardness of samplers on one model against the share of false negatives", (7.6, 4.4), draw)


def _curve(axes: Axes, rows: Sequence[Row]) -> None:
    hardness, shares, low, high = (
        np.array([row[name] for row in rows]) for name in ("hardness", _SHARE, f"{_SHARE}_low", f"{_SHARE}_high")
    )
    axes.fill_between(hardness, low, high, color=FAMILIES["classical"], alpha=0.15, linewidth=0)
    axes.plot(hardness, shares, color=FAMILIES["classical"], linewidth=2)
    at = np.linspace(hardness.min(), hardness.max(), _STEPS)
    ends = [Resampled(np.full(_STEPS, x), np.full(_STEPS, y)) for x, y in zip(hardness, shares, strict=True)]
    axes.plot(at, lowest_share(at, ends), color=INK, linewidth=1, linestyle="--")
    for row in rows:
        axes.annotate(
            row["setting"],
            (row["hardness"], row[_SHARE]),
            xytext=(-4, 5),
            textcoords="offset points",
            ha="right",
            color=FAMILIES["classical"],
        )


def _point(axes: Axes, row: Row) -> None:
    x, y, family = row["hardness"], row[_SHARE], row["family"]
    axes.plot([x, x], [row[f"{_SHARE}_low"], row[f"{_SHARE}_high"]], color=FAMILIES[family], linewidth=1)
    marker(axes, x, y, family)
    if family != "control":
        name_point(axes, row["method"], (x, y), family, _BELOW)
