"""The plot of the guard's false-negative model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes

from hnlm_ray.report.plots.svg import FAMILIES, INK, plot


def reliability(bins: Sequence[Mapping[str, Any]]) -> Markup:
    """Draw the share of positives against the predicted probability, a point for each tenth of the pairs."""
    most = max(max(row["predicted"], row["observed"]) for row in bins)

    def draw(axes: Axes) -> None:
        axes.plot([0, most], [0, most], color=INK, linewidth=1, linestyle="--")
        predicted, observed = ([row[name] for row in bins] for name in ("predicted", "observed"))
        axes.plot(predicted, observed, color=FAMILIES["semantic"], marker="o", linewidth=2)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("predicted probability")
        axes.set_ylabel("share of positives")

    return plot("reliability", "Reliability of the false-negative model", (5.2, 3.4), draw)
