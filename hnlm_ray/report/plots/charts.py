"""The report's plots, that of the false-negative model among them; each is told as a table beside it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from hnlm_ray.report.plots.svg import FAMILIES, INK, LINE, MARKERS, MUTED, PAPER, plot


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


Row = Mapping[str, Any]
_SMALL = (5.2, 3.4)


def forest(rows: Sequence[Row], metric: str, base: str) -> Markup:
    """Draw each method's difference to the best classical one with its 95% interval."""
    shown = [row for row in rows if row["difference"] is not None][::-1]

    def draw(axes: Axes) -> None:
        axes.axvline(0, color=INK, linewidth=1)
        for place, row in enumerate(shown):
            colour = FAMILIES[row["family"]]
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
            marker(axes, row["difference"], place, row["family"])
        axes.set_yticks(range(len(shown)), [row["name"] for row in shown])
        for tick, row in zip(axes.get_yticklabels(), shown, strict=True):
            tick.set_color(FAMILIES[row["family"]])
        axes.set_xlabel(f"difference in test {metric}")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.7, len(shown) - 0.3)
        _legend(axes, {family: family for family in FAMILIES if family in {row["family"] for row in shown}})

    return plot("forest", f"Difference in test {metric} to {base}", (7.6, 1.6 + 0.3 * len(shown)), draw)


def marker(axes: Axes, x: float, y: float, family: str) -> None:
    """Draw a method's point with the shape and colour of its family."""
    axes.plot(
        [x],
        [y],
        MARKERS[family],
        color=FAMILIES[family],
        markersize=7,
        markeredgecolor=PAPER,
        markeredgewidth=1,
        zorder=3,
    )


def _legend(axes: Axes, labels: Mapping[str, str]) -> None:
    """Name what the markers of families stand for."""
    handles = [
        Line2D([], [], color=FAMILIES[family], marker=MARKERS[family], linestyle="", label=label)
        for family, label in labels.items()
    ]
    axes.figure.legend(handles=handles, loc="outside upper center", ncols=3)


def tail(points: Sequence[tuple[int, int]]) -> Markup:
    """Draw the long tail: training positives by the item's rank."""

    def draw(axes: Axes) -> None:
        ranks, positives = zip(*points, strict=True)
        axes.fill_between(ranks, positives, color=FAMILIES["classical"], alpha=0.25, linewidth=0)
        axes.plot(ranks, positives, color=FAMILIES["classical"], linewidth=2)
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.set_xlabel("items, the most liked first")
        axes.set_ylabel("training positives")

    return plot("tail", "Training positives of items, the most liked first", _SMALL, draw)


def curves(found: Sequence[Row], value: str, families: Mapping[str, str], lead: Sequence[str], ylabel: str) -> Markup:
    """Draw the learning curves: those of ``lead`` with their names, all others thin."""

    def draw(axes: Axes) -> None:
        for curve in sorted(found, key=lambda curve: curve["name"] in lead):
            points = [(point["epoch"], point[value]) for point in curve["epochs"] if point[value] is not None]
            if points:
                leads, family = curve["name"] in lead, families[curve["name"]]
                style: dict[str, Any] = {"color": FAMILIES[family], "linewidth": 2.2} if leads else {"color": MUTED}
                style |= {"label": curve["name"]} if leads else {"linewidth": 0.7, "alpha": 0.6}
                axes.plot(*zip(*points, strict=True), **style)
        axes.set_xlabel("epoch")
        axes.set_ylabel(ylabel)
        if any(curve["name"] in lead for curve in found):
            axes.legend()

    return plot(f"curves-{value}", f"{ylabel} by epoch", _SMALL, draw)


def finetune(rows: Sequence[Row]) -> Markup:
    """Draw the fine-tuning's loss a step, and on held-out records where it was measured."""

    def draw(axes: Axes) -> None:
        for name, label, family, style in (
            ("loss", "training batch", "control", "-"),
            ("held_out_loss", "held-out records", "semantic", "o-"),
        ):
            points = [(row["step"], row[name]) for row in rows if row[name] is not None]
            if points:
                axes.plot(*zip(*points, strict=True), style, color=FAMILIES[family], label=label)
        axes.set_xlabel("optimiser step (-1: as it came; 0: with the head's start)")
        axes.set_ylabel("loss")
        axes.legend()

    return plot("finetuning", "Loss of the fine-tuning by step", _SMALL, draw)


def groups(found: Row, lead: Sequence[str], families: Mapping[str, str], metric: str, names: Sequence[str]) -> Markup:
    """Draw the leading methods' figures for groups of users or items."""
    shown = [name for name in names if found["sizes"][name]][::-1]
    methods = [method for method in found["methods"] if method["name"] in lead]

    def draw(axes: Axes) -> None:
        for place, name in enumerate(shown):
            axes.axhline(place, color=LINE, linewidth=0.6)
            for above, method in zip((0.12, -0.12), methods, strict=False):
                if method[name] is not None:
                    marker(axes, method[name], place + above, families[method["name"]])
        axes.set_yticks(range(len(shown)), [found["groups"][name] for name in shown])
        axes.set_ylim(-0.6, len(shown) - 0.4)
        axes.set_xlim(left=0)
        axes.set_xlabel(metric)
        axes.grid(visible=False, axis="y")
        _legend(axes, {families[method["name"]]: method["name"] for method in methods})

    return plot(f"groups-{shown[0]}", f"{metric} by group", (5.2, 1.2 + 0.4 * len(shown)), draw)


def false_negatives(found: Sequence[Row], families: Mapping[str, str], at_random: float | None) -> Markup:
    """Draw each method's share of false negatives by epoch: methods with their names, controls thin."""

    def draw(axes: Axes) -> None:
        if at_random is not None:
            axes.axhline(at_random, color=MUTED, linewidth=1, linestyle="--")
        for curve in sorted(found, key=lambda curve: families[curve["name"]] != "control"):  # controls below
            points, family = [(point["epoch"], point["share"]) for point in curve["false"]], families[curve["name"]]
            if family == "control":
                axes.plot(*zip(*points, strict=True), color=MUTED, linewidth=0.7, alpha=0.6)
                continue
            axes.plot(*zip(*points, strict=True), f"{MARKERS[family]}-", color=FAMILIES[family], markersize=4)
            name_point(axes, curve["name"], points[-1], family)
        axes.set_xlabel("epoch")
        axes.set_ylabel("false negatives")
        percent_axis(axes)

    return plot("false-negatives", "Share of false negatives by epoch", (7.6, 4.0), draw)


def name_point(
    axes: Axes, name: str, point: tuple[float, float], family: str, offset: tuple[int, int] = (6, 4)
) -> None:
    """Write a method's name, without its model, beside a point; ``offset`` in points."""
    short = name.partition("-")[2] or name
    axes.annotate(short, point, xytext=offset, textcoords="offset points", color=FAMILIES[family])


def percent_axis(axes: Axes) -> None:
    """Write the axis of shares in percent, from 0."""
    axes.yaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.margins(0.12)
    axes.set_ylim(bottom=0)


def hardness(points: Sequence[Row], at_random: float | None) -> Markup:
    """Draw each method's hardness against its share of false negatives."""

    def draw(axes: Axes) -> None:
        if at_random is not None:
            axes.axhline(at_random, color=MUTED, linewidth=1, linestyle="--")
        for point in sorted(points, key=lambda point: point["family"] != "control"):  # controls below
            marker(axes, point["hardness"], point["share"], point["family"])
            if point["family"] != "control":
                name_point(axes, point["name"], (point["hardness"], point["share"]), point["family"])
        axes.set_xlabel("hardness: share of negatives that rank above their positive")
        axes.set_ylabel("false negatives")
        percent_axis(axes)

    return plot(
        "hardness",
        "Hardness of each method's negatives on its own models against the share of false ones",
        (7.6, 4.0),
        draw,
    )
