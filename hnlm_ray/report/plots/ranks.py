"""The critical-difference diagram: methods on a line of average ranks, bars over those that can't be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup
from matplotlib.axes import Axes

from hnlm_ray.compare.ranks import LEVEL, Ranking
from hnlm_ray.report.plots.svg import FAMILIES, INK, MUTED, plot

_STEP: Final = 0.32
"""Height of a line of text, in inches."""
_TICKS: Final = 12
_MARGIN: Final = 0.025
"""Of the axis, for a method's name to stand beside."""
_NAMED: Final = "{label} {rank:.2f}"


def rank_diagram(ranking: Ranking, families: Mapping[str, str]) -> Markup:
    """Draw the diagram of Demsar (2006); rank 1, the best, is at the left.

    Parameters
    ----------
    families
        The family of each method, for its colour.
    """
    lowest = -len(ranking.cliques) - (len(ranking.methods) + 1) // 2 - 1.5

    def draw(axes: Axes) -> None:
        _methods(axes, ranking, families)
        _axis(axes, ranking, lowest)
        axes.plot([1, 1 + ranking.critical_difference], [lowest, lowest], color=MUTED, linewidth=2)
        axes.annotate(f"critical difference {ranking.critical_difference:.2f}", (1, lowest + 0.2), color=MUTED)

    return plot("ranks", _title(ranking), (7.6, 0.8 - _STEP * lowest), draw)


def _axis(axes: Axes, ranking: Ranking, lowest: float) -> None:
    last = len(ranking.methods)
    axes.grid(visible=False)
    axes.spines["top"].set_visible(True)
    axes.set_xticks(range(1, last + 1, -(-last // _TICKS)))
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(f"average rank over {ranking.datasets} data sets (1 is the best)")
    axes.set_xlim(1 - _MARGIN * last, max(last, 1 + ranking.critical_difference) + _MARGIN * last)
    axes.set_ylim(lowest - 0.2, 0.3)


def _methods(axes: Axes, ranking: Ranking, families: Mapping[str, str]) -> None:
    """Write the better half at the left, the others at the right, each with a line to its rank, and bars."""
    # They take a second to import.
    from pandas import DataFrame  # type: ignore[import-untyped]
    from scikit_posthocs import critical_difference_diagram  # type: ignore[import-untyped]

    critical_difference_diagram(
        dict(zip(ranking.methods, ranking.ranks, strict=True)),
        DataFrame(ranking.p_values, ranking.methods, ranking.methods),
        alpha=LEVEL,
        ax=axes,
        label_fmt_left=_NAMED,
        label_fmt_right=_NAMED,
        color_palette={name: FAMILIES[families[name]] for name in ranking.methods},
        text_h_margin=_MARGIN * len(ranking.methods),
        marker_props={"s": 12},
        elbow_props={"linewidth": 0.8},
        crossbar_props={"color": INK, "linewidth": 3},
    )


def _title(ranking: Ranking) -> str:
    best = f"{ranking.methods[0]} {ranking.ranks[0]:.2f}"
    return f"Average ranks of {len(ranking.methods)} methods over {ranking.datasets} data sets, the best: {best}"
