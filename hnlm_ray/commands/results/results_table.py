"""The ranked comparison as a table that fits the terminal: the columns that matter most are the last to go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from rich.cells import cell_len
from rich.table import Table

Method = Mapping[str, Any]
_GAP: Final = 2
LEAST_P: Final = 0.0001


@dataclass(frozen=True)
class Column:
    """One column: what it is called, what it says of a method, and how readily it is left out (0: never)."""

    heading: str
    cell: Callable[[Method], str]
    order: int = 0
    justify: Literal["left", "right"] = "right"


def results_table(methods: Sequence[Method], metric: str, width: int) -> tuple[Table, list[str]]:
    """Return the table of the methods, best first, and the headings that were left out to fit ``width`` characters."""
    ranked = [{**method, "rank": rank} for rank, method in enumerate(methods, 1)]
    columns = _columns(metric)
    shown = fitting(columns, ranked, width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for column in shown:
        table.add_column(column.heading, justify=column.justify)
    for method in ranked:
        table.add_row(*(column.cell(method) for column in shown))
    return table, [column.heading for column in columns if column not in shown]


def fitting(columns: Sequence[Column], methods: Sequence[Method], width: int) -> list[Column]:
    """Return the columns to show, in their order: all that are never left out, and others while there is room."""
    widths = {
        column.heading: _GAP + max(map(cell_len, [column.heading, *map(column.cell, methods)])) for column in columns
    }
    kept, room = set[str](), width + _GAP
    for column in sorted(columns, key=lambda column: column.order):
        if column.order and widths[column.heading] > room:
            break
        kept.add(column.heading)
        room -= widths[column.heading]
    return [column for column in columns if column.heading in kept]


def _columns(metric: str) -> list[Column]:
    return [
        Column("", lambda method: str(method["rank"])),
        Column("method", lambda method: str(method["name"]), justify="left"),
        Column("family", lambda method: str(method["family"]), 6, "left"),
        Column(f"test {metric}", lambda method: figure(method["test"][metric])),
        Column("std", lambda method: figure(method["test_std"][metric]), 7),
        Column("validation", lambda method: figure(method["validation"][metric]), 8),
        Column("vs best classical", lambda method: figure(_versus(method)["difference"], sign=True), 1),
        Column("relative", lambda method: _percent(_versus(method)["relative"]), 4),
        Column("95% CI", _interval, 3),
        Column("p (Holm)", lambda method: p_value(_versus(method)["p_holm"]), 1),
        Column("effect", lambda method: figure(_versus(method)["effect_size"], sign=True, digits=2), 5),
        Column("won/tied/lost", _counts, 2),
        Column("trials", lambda method: str(method["trials"]), 9),
        Column("dimensions", lambda method: str(method["dimensions"]), 10),
        Column("seeds", lambda method: str(method["seeds"]), 11),
    ]


def _versus(method: Method) -> Mapping[str, Any]:
    found: Mapping[str, Any] = method["versus_best_classical"]
    return found


def _interval(method: Method) -> str:
    low, high = _versus(method)["ci95"]
    return "" if low is None else f"[{low:+.4f}, {high:+.4f}]"


def _counts(method: Method) -> str:
    counts = [_versus(method)[name] for name in ("wins", "ties", "losses")]
    return "" if None in counts else "/".join(str(count) for count in counts)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.1%}"


def figure(value: float | None, *, sign: bool = False, digits: int = 4) -> str:
    """Write a metric; nothing where there is none."""
    return "" if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def p_value(value: float | None) -> str:
    """Write a p value, which is never 0; nothing where there is none."""
    return "<0.0001" if value is not None and value < LEAST_P else figure(value)
