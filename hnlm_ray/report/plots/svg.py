"""From a matplotlib figure to inline SVG that takes its colours and fonts from the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any, Final

from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Colours that stand for variables of the page: so a plot follows its light or dark mode.
INK, MUTED, LINE = "#010101", "#020202", "#030303"
FAMILIES: Final = {"classical": "#040404", "semantic": "#050505", "control": "#060606", "text": "#080808"}
PAPER: Final = "#070707"
_VARIABLES: Final = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    FAMILIES["classical"]: "var(--classical)",
    FAMILIES["semantic"]: "var(--semantic)",
    FAMILIES["control"]: "var(--control)",
    FAMILIES["text"]: "var(--text)",
    PAPER: "var(--paper)",
}
# Shapes tell the families apart where colours don't.
MARKERS: Final = {"classical": "s", "semantic": "o", "control": "D", "text": "^"}
_STYLE: Final[dict[Any, object]] = {
    "svg.fonttype": "none",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
}
Draw = Callable[[Axes], None]


def plot(name: str, title: str, size: tuple[float, float], draw: Draw) -> Markup:
    """Draw axes of ``size`` inches and return them as one ``<svg>`` element.

    Parameters
    ----------
    name
        Unique in the page: the plot's ids begin with it.
    title
        What the plot shows, for those who don't see it.
    draw
        Draws into the axes; its words are the program's own, never text from outside.
    """
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.subplots())
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return Markup(inlined(drawn.getvalue(), name, title))  # noqa: S704  matplotlib's own, and the title is escaped


def inlined(svg: str, name: str, title: str) -> str:
    """Turn a matplotlib file into an element: no prolog, comments, styles or unused ids; colours as variables."""
    body = svg[svg.index("<svg") :]
    for surplus in (r"<!--.*?-->", r"<metadata>.*?</metadata>", r"<style[^>]*>.*?</style>"):
        body = re.sub(surplus, "", body, flags=re.DOTALL)
    body = body.replace("xlink:href=", "href=")
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", body)
    body = re.sub(r'(url\(#|href="#| id=")', rf"\g<1>{name}-", body)
    body = re.sub(r" ?font-family: [^;\"]+;?", "", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, variable)
    box = re.search(r'viewBox="[^"]+"', body)
    head = f'<svg {box[0] if box else ""} role="img" aria-labelledby="{name}-title" class="plot">'
    titled = f'{head}<title id="{name}-title">{escape(title)}</title>'
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"<svg[^>]*>", lambda _: titled, body, count=1)).strip()
