"""Which column of a file of interactions says when."""

from __future__ import annotations

from collections.abc import Sequence

from hnlm_ray.base.errors import InputError
from hnlm_ray.discover.files.columns import Column
from hnlm_ray.discover.files.names import has_id, name_score
from hnlm_ray.discover.files.question import Ask, Question
from hnlm_ray.discover.files.sample import Table
from hnlm_ray.discover.overrides import Overrides
from hnlm_ray.discover.roles.items import tells_of
from hnlm_ray.discover.roles.pairs import Pair
from hnlm_ray.discover.roles.times import Times, reads, times_of

_OF_ONE_SIDE = 5.0
"""More than all else: a date of the user or of the item is taken only where there is no other."""


def time_column(table: Table, pair: Pair, wanted: Overrides, ask: Ask) -> tuple[str | None, Times | None]:
    """Return the column of the times and how they are written; None when there is none.

    Raises
    ------
    InputError
        When what the user said of the times fits no column.
    """
    if wanted.time is not None:
        return wanted.time, _of_named(table, table.column(wanted.time), wanted, ask)
    rest = [column for column in table.columns if column.name not in {pair.user, pair.item, wanted.rating}]
    fitting = _with_format(rest, wanted.time_format) if wanted.time_format is not None else _fitting(table, rest, pair)
    best = max(fitting, key=lambda name: _score(table, pair, table.column(name), fitting[name]), default=None)
    return best, None if best is None else _chosen(table, table.column(best), fitting[best], ask)


def _of_named(table: Table, column: Column, wanted: Overrides, ask: Ask) -> Times:
    if wanted.time_format is not None:
        return Times(wanted.time_format, "as you said")
    found = times_of(column)
    if not found:
        raise InputError(
            f"--time {wanted.time}: its values ({', '.join(column.head[:3])}) are no times that are known; add "
            "--time-format, for example --time-format '%d.%m.%Y'"
        )
    return _chosen(table, column, found, ask)


def _with_format(rest: Sequence[Column], time_format: str) -> dict[str, list[Times]]:
    fitting = {column.name: [Times(time_format, "as you said")] for column in rest if reads(column, time_format)}
    if not fitting:
        raise InputError(
            f"--time-format {time_format!r} reads none of the columns {', '.join(repr(c.name) for c in rest[:10])}; "
            "correct it, or name the column with --time"
        )
    return fitting


def _fitting(table: Table, rest: Sequence[Column], pair: Pair) -> dict[str, list[Times]]:
    found = {column.name: times_of(column) for column in rest}
    return {name: times for name, times in found.items() if times and _may_be_time(table, pair, name, times)}


def _may_be_time(table: Table, pair: Pair, name: str, times: Sequence[Times]) -> bool:
    """Numbers without a name of times must be no id, no count, and no fact of a user or an item."""
    column = table.column(name)
    if name_score("time", name) > 0 or column.typed_time or not column.numeric:
        return True
    if times[0].told.startswith("digits") or has_id(name) or _counts_up(column):
        return False
    other = max(name_score(role, name) for role in ("row", "user", "item", "count"))
    return other < 0.6 and not _of_one_side(table, pair, column)


def _counts_up(column: Column) -> bool:
    """Tell whether the values number the rows."""
    return column.all_distinct and column.numbers.max() - column.numbers.min() < 2 * column.rows


def _score(table: Table, pair: Pair, column: Column, found: Sequence[Times]) -> float:
    """Prefer times of the interaction, then named columns, then those without a format, then finer ones."""
    return (
        name_score("time", column.name)
        + 0.5 * (found[0].time_format is None)
        + 0.3 * column.filled
        + len(found[0].told) / 1e4
        - _OF_ONE_SIDE * _of_one_side(table, pair, column)
    )


def _of_one_side(table: Table, pair: Pair, column: Column) -> bool:
    """Tell whether all rows of a user, or of an item, say the same: its sign-up, its release."""
    return any(tells_of(table.column(name), column) for name in (pair.user, pair.item))


def _chosen(table: Table, column: Column, found: Sequence[Times], ask: Ask) -> Times:
    if len(found) == 1:
        return found[0]
    text = f"how are the times of {table.place.shown}:{column.name} written ({', '.join(column.head[:3])})?"
    choices = tuple(str(times.time_format) for times in found[:4])
    return found[ask(Question(text, choices, "--time-format"))]
