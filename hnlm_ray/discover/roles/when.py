"""Which column of a file of interactions says when, and how its times are read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hnlm_ray.base.errors import InputError
from hnlm_ray.discover.files.columns import Column
from hnlm_ray.discover.files.names import has_id, name_score
from hnlm_ray.discover.files.sample import MENDED, NONE, Ask, Overrides, Question, Table
from hnlm_ray.discover.roles.events import is_flag
from hnlm_ray.discover.roles.items import tells_of
from hnlm_ray.discover.roles.pairs import Pair, is_timed
from hnlm_ray.discover.roles.times import Times, reads, times_of

_OF_ONE_SIDE = 5.0
"""More than all else: a date of the user or of the item is taken only where there is no other."""
_NAMED, _COMPOUND, _PARTLY = 0.8, 0.7, 0.5
_REPEATED = 1.5
_PART_OF_A_TIME = 3000
_LOOKED_AT = 20


def time_column(table: Table, pair: Pair, wanted: Overrides, ask: Ask) -> tuple[str | None, Times | None]:
    """Return the column of the times and how they are written; None when there is none.

    Raises
    ------
    InputError
        When what the user said of the times fits no column.
    """
    if wanted.time == NONE:
        return None, None
    if wanted.time is not None:
        return wanted.time, _of_named(table, table.column(wanted.time), wanted, ask)
    rest = [column for column in table.columns if column.name not in {pair.user, pair.item, wanted.rating}]
    fitting = _with_format(rest, wanted.time_format) if wanted.time_format is not None else _fitting(table, rest, pair)
    best = max(fitting, key=lambda name: _score(table, pair, table.column(name), fitting[name]), default=None)
    if best is not None and wanted.time_format is None and _is_no_time(table, pair, table.column(best), ask):
        return None, None
    if best is None:
        _ask_of_unread(table, rest, ask)
        return None, None
    return best, _chosen(table, table.column(best), fitting[best], ask)


def _is_no_time(table: Table, pair: Pair, column: Column, ask: Ask) -> bool:
    """Tell whether the only date is one of the item or the user, such as its release; ask where its name is silent."""
    side = next((name for name in (pair.user, pair.item) if says_the_same(table.column(name), column)), None)
    told = name_score("not_when", column.name)
    if told > _PARTLY or (side is not None and told == _PARTLY):
        return True
    if side is None or _has_clock(column):
        return False
    text = f"{table.place.shown}:{column.name} is the same in all rows of each {side}: is it when the row happened?"
    return ask(Question(text, (f"no, a fact of the {side}", "yes, its time"), "--time")) == 0


def _has_clock(column: Column) -> bool:
    """Tell whether the times have hours and minutes, which no release and no birthday has."""
    return column.numeric or column.typed_time or all(":" in text for text in column.head[:_LOOKED_AT])


def says_the_same(key: Column, column: Column) -> bool:
    """Tell whether all rows of a key that has several say the same, and not all keys the same."""
    return key.repetition >= _REPEATED and column.distinct > 2 and tells_of(key, column)


def _ask_of_unread(table: Table, rest: Sequence[Column], ask: Ask) -> None:
    """Ask about a column that is named as times and is read by no format: to go without times is the user's choice."""
    unread = [column for column in rest if _named_time(column) and _is_unread(column)]
    for column in unread[:1]:
        shown = ", ".join(map(repr, column.head[:3]))
        text = (
            f"{table.place.shown}:{column.name} is named as times, but no format that is known reads its values "
            f"({shown}); how does it go on?"
        )
        if ask(Question(text, ("without times", "say how they are written"), "--time-format or --time none")):
            raise InputError(
                f"{table.place.shown}:{column.name} holds times such as {shown}: say how they are written with "
                f"--time {column.name} --time-format '%d.%m.%Y' (as Python's strptime has it)"
            )


def _is_unread(column: Column) -> bool:
    """Tell whether values could be times in an unknown form: no yes and no, no hours of a day or days of a week."""
    part = column.numeric and np.max(column.numbers, initial=0.0) < _PART_OF_A_TIME
    approved = name_score("approval", column.name) >= _NAMED
    return column.distinct > 1 and not (part or approved or is_flag(column) or times_of(column, named=True))


def _of_named(table: Table, column: Column, wanted: Overrides, ask: Ask) -> Times:
    if wanted.time_format is not None:
        return Times(wanted.time_format, "as you said")
    found = times_of(column, named=True)
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


def _named_time(column: Column) -> bool:
    return name_score("time", column.name) >= _COMPOUND


def _fitting(table: Table, rest: Sequence[Column], pair: Pair) -> dict[str, list[Times]]:
    found = {column.name: times_of(column, named=_named_time(column)) for column in rest}
    return {name: times for name, times in found.items() if times and _may_be_time(table, pair, name)}


def _may_be_time(table: Table, pair: Pair, name: str) -> bool:
    """Numbers without a name of times must be no id, no count, and no fact of a user or an item."""
    column = table.column(name)
    if name_score("time", name) > 0 or column.typed_time or not column.numeric:
        return True
    if has_id(name) or _counts_up(column) or not is_timed(table, column):
        return False
    other = max(name_score(role, name) for role in ("row", "user", "item", "count"))
    return other < 0.6 and not _of_one_side(table, pair, column)


def _counts_up(column: Column) -> bool:
    """Tell whether the values number the rows."""
    return bool(column.all_distinct and np.ptp(column.numbers) < 2 * column.rows)


def _score(table: Table, pair: Pair, column: Column, found: Sequence[Times]) -> float:
    """Prefer times of the interaction, then named columns, then those without a format, then finer ones."""
    return (
        name_score("time", column.name)
        + 0.5 * (found[0].time_format is None)
        + 0.3 * column.filled
        + len(found[0].told) / 1e4
        - _OF_ONE_SIDE * _of_one_side(table, pair, column)
        - max(name_score("not_when", column.name), 0.3 * name_score("later", column.name))
    )


def _of_one_side(table: Table, pair: Pair, column: Column) -> bool:
    """Tell whether all rows of a user, or of an item, say the same: its sign-up, its release."""
    return any(tells_of(table.column(name), column) for name in (pair.user, pair.item))


def _chosen(table: Table, column: Column, found: Sequence[Times], ask: Ask) -> Times:
    shown = f"{table.place.shown}:{column.name}"
    if len(found) == 1:
        return _accepted(shown, found[0], ask)
    text = f"how are the times of {shown} written ({', '.join(column.head[:3])})?"
    choices = tuple(str(times.time_format) for times in found[:4])
    return found[ask(Question(text, choices, "--time-format"))]


def _accepted(shown: str, times: Times, ask: Ask) -> Times:
    """Ask where some cells are no times: those rows would have none."""
    odd = ", ".join(map(repr, times.odd[:3]))
    told = [f"some values ({odd}) are no {times.told}"] if times.odd else []
    told += ["numbers such as 0 are no time since 1970"] if times.outside else []
    told += [f"{' and '.join(times.units)} stand beside each other"] if len(times.units) > 1 else []
    if told:
        text = f"{shown}: {', '.join(told)}; how are they read?"
        first = "each by its size" if len(times.units) > 1 and len(told) == 1 else "these are missing times, counted"
        if ask(Question(text, (first, "stop, the file is mended first"), MENDED)):
            raise InputError(f"{shown}: {', '.join(told)}; mend the file, or name another column with --time")
    return times
