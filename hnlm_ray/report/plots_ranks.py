"""The critical-difference diagram: methods on a line of average ranks, bars over those that can't be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup
from matplotlib.axes import Axes

from hnlm_ray.report.svg import FAMILIES, INK, MUTED, plot
from hnlm_ray.tune.ranks import Ranking

_STEP: Final = 0.34
"""Height of a line of text, in inches."""


def rank_diagram(ranking: Ranking, families: Mapping[str, str]) -> Markup:
    """Draw the diagram of Demsar (2006); rank 1, the best, is at the left.

    Parameters
    ----------
    families
        The family of each method, for its colour.
    """
    half = (len(ranking.methods) + 1) // 2
    bars = len(ranking.cliques)
    depth = bars * 0.5 + half

    def draw(axes: Axes) -> None:
        last = len(ranking.methods)
        axes.set_xlim(1 - 0.02 * last, last + 0.02 * last)
        axes.set_ylim(-depth - (2.0 if ranking.critical_difference else 0.7), 0)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xticks(range(1, last + 1))
        axes.set_xlabel(f"average rank over {ranking.datasets} data sets (1 is the best)")
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.spines["top"].set_visible(True)
        _names(axes, ranking, families, half)
        for place, (first, end) in enumerate(ranking.cliques):
            height = -0.35 - 0.5 * place
            axes.plot([ranking.ranks[first], ranking.ranks[end]], [height, height], color=INK, linewidth=4)
        if ranking.critical_difference:
            axes.plot([1, 1 + ranking.critical_difference], [-depth - 1.7] * 2, color=MUTED, linewidth=2)
            axes.annotate(f"critical difference {ranking.critical_difference:.2f}", (1, -depth - 1.5), color=MUTED)

    return plot("ranks", _title(ranking), (7.6, 1.2 + _STEP * (depth + 1)), draw)


def _names(axes: Axes, ranking: Ranking, families: Mapping[str, str], half: int) -> None:
    """Write the better half at the left, the others at the right, each with a line to its rank."""
    last, top = len(ranking.methods), -0.5 * len(ranking.cliques) - 0.6
    for place, (name, rank) in enumerate(zip(ranking.methods, ranking.ranks, strict=True)):
        left = place < half
        height = top - (place if left else last - 1 - place)
        edge = 1.0 if left else float(last)
        axes.plot([rank, rank, edge], [0, height, height], color=MUTED, linewidth=0.8, clip_on=False)
        axes.annotate(
            f"{name} {rank:.2f}",
            (edge, height),
            xytext=(-4 if left else 4, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            color=FAMILIES[families[name]],
            annotation_clip=False,
        )


def _title(ranking: Ranking) -> str:
    best = f"{ranking.methods[0]} {ranking.ranks[0]:.2f}"
    return f"Average ranks of {len(ranking.methods)} methods over {ranking.datasets} data sets, the best: {best}"
