"""How the report writes figures and text from outside."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from markupsafe import Markup

from hnlm_ray.base.text import duration, redacted, redacted_tree, shorten

METRICS: Final = {
    "ndcg": "how high the items that people went on to like stand among the first {k} shown (1 is perfect)",
    "recall": "the share of the items that people went on to like that is among the first {k} shown",
    "precision": "the share of the first {k} items shown that people went on to like",
    "hit_rate": "the share of people for whom the first {k} items shown hold one that they went on to like",
    "mrr": "one divided by the place of the first item that people went on to like, among the first {k} shown",
    "map": "the share of liked items in the list down to each of them, averaged over those that the first {k} can hold",
}
_LINES = 600
_SHOWN_CHARS = 2048
_LINE_CHARS = 240


def metric_in_words(metric: str) -> str:
    """Say what a metric such as 'ndcg@20' measures."""
    name, _, k = metric.partition("@")
    return METRICS[name].format(k=k)


def masked(tree: Any) -> Any:  # noqa: ANN401  any JSON value
    """Mask secrets in a tree; its texts are cut first: a page shows no more of them."""
    if isinstance(tree, Mapping):
        return redacted_tree({str(key)[:_SHOWN_CHARS]: masked(value) for key, value in tree.items()})
    if isinstance(tree, list | tuple):
        return [masked(value) for value in tree]
    return redacted(tree[:_SHOWN_CHARS]) if isinstance(tree, str) else tree


def text(value: object, width: int = 160) -> Markup:
    """Write text from outside: cut, control characters made visible, apart from the direction of what is around it."""
    if value is None:
        return Markup("")
    # Cut before cleaning too: a megabyte is not cleaned to show a line.
    return Markup("<bdi>{}</bdi>").format(shorten(str(value)[: width + 1], width))


def lines(value: str) -> str:
    """Clean a text of many lines; long lines and long texts are cut."""
    kept = value[: _LINES * _LINE_CHARS].split("\n")
    more = [f"... and {len(kept) - _LINES} more lines"] if len(kept) > _LINES else []
    return "\n".join([shorten(line, _LINE_CHARS) for line in kept[:_LINES]] + more)


def moment(value: str) -> Markup:
    """Write a time in ISO 8601 for a reader; as it is where it is no such time."""
    try:
        return text(datetime.fromisoformat(value).strftime("%-d %B %Y, %H:%M %Z"))
    except ValueError:
        return text(value, 40)


def figure(value: float | None, digits: int = 4, *, sign: bool = False) -> str:
    """Write a metric; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:{'+' if sign else ''}.{digits}f}"


def share(value: float | None, *, sign: bool = False) -> str:
    """Write a share as percent; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:{'+' if sign else ''}.1%}"


def count(value: float | None) -> str:
    """Write a whole number with separators; a dash where there is none."""
    return "-" if value is None else f"{int(value):,}"


def p_value(value: float | None) -> str:
    """Write a p value; a dash where there is none."""
    if value is None:
        return "-"
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def counted(value: float | str | None, name: str) -> str:
    """Write what a stage counted; a share as percent."""
    if isinstance(value, float):
        return share(value) if name.endswith("share") else f"{value:.4g}"
    return "-" if value is None else count(value) if isinstance(value, int) else text(value, _LINE_CHARS)


FILTERS: Final = {
    "text": text,
    "lines": lines,
    "moment": moment,
    "figure": figure,
    "share": share,
    "count": count,
    "p_value": p_value,
    "counted": counted,
    "duration": duration,
    "metric_in_words": metric_in_words,
}
