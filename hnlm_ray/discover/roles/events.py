"""What happened: kinds of events, flags and quantities, and which of them are a positive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from hnlm_ray.base.errors import InputError
from hnlm_ray.discover.files.columns import DASHES, MISSING, Column, number_of
from hnlm_ray.discover.files.names import name_score, tokens
from hnlm_ray.discover.files.sample import Ask, Overrides, Question, Table

MOST_EVENTS = 30
"""Kinds of events at most; a column of more different words names something else."""
_NAMED, _EVENT, _REJECTING = 0.8, 0.8, 0.6
_STRONG_SHARE = 0.1
_MOSTLY, _FEW = 0.95, 0.25
_LEAST_USERS, _GUESTS = 10, 0.2
_NAME_THEM = "those that --events names"
FLAGS: Final = frozenset(
    {"0", "1", "0.0", "1.0", "true", "false", "t", "f", "yes", "no", "y", "n", "ja", "nein", "j", "oui", "non", "o"}
)

TRUE: Final = frozenset({"1", "1.0", "true", "t", "yes", "y", "ja", "j", "oui", "o"})


def is_flag(column: Column) -> bool:
    """Tell whether the values are yes and no."""
    if not 0 < column.distinct <= MOST_EVENTS:
        return False
    texts = [str(text).strip() for text in column.uniques.to_pylist()]
    rows = {text: int(count) for text, count in zip(texts, column.counts, strict=True) if text not in MISSING}
    flags = {text: count for text, count in rows.items() if text.casefold() in FLAGS}
    return len({text.casefold() for text in flags}) in {1, 2} and sum(flags.values()) >= _MOSTLY * sum(rows.values())


def is_events(column: Column) -> bool:
    """Tell whether the values are names of events: view, add_to_cart, purchase."""
    if not 1 <= column.distinct <= MOST_EVENTS or column.numeric:
        return False
    texts = [text for text in column.head if text not in MISSING]
    known = [text for text in texts if event_role(text)]
    named = name_score("event", column.name) >= _NAMED
    return bool(texts) and (len(known) >= max(1, 0.5 * len(texts)) or (named and len(known) > 0))


def names_events(column: Column) -> bool:
    """Tell whether a column that is named as kinds of events has a few, whatever they are called: 1, 2, 3."""
    return (
        name_score("event", column.name) == 1.0 and 1 < column.distinct <= MOST_EVENTS and len(tokens(column.name)) > 1
    )


def event_role(text: str) -> str | None:
    """Name what a kind of event says of a user's liking: strong, weak or rejecting; None for an unknown word."""
    if name_score("rejecting", text) >= _REJECTING:
        return "rejecting"
    return next((role for role in ("strong", "weak") if name_score(role, text) >= _EVENT), None)


def events_of(table: Table, rest: Sequence[Column], wanted: Overrides, ask: Ask) -> tuple[str | None, tuple[str, ...]]:
    """Ask which kinds of events count, where a column names several."""
    found = (one for one in rest if (is_events(one) or names_events(one)) and _kinds(one) > 1)
    column = next(found, None)
    if column is None:
        if wanted.events:
            raise InputError(f"--events: no column of {table.place.shown} names kinds of events; leave it out")
        return None, ()
    counted = zip(column.uniques.to_pylist(), column.counts, strict=True)
    rows = {str(kind).strip(): int(count) for kind, count in counted if kind.strip() not in MISSING | DASHES}
    if wanted.events:
        return column.name, _wanted_events(table, column, wanted.events, rows)
    choices = _choices_of_events(rows)
    shown = ", ".join(
        f"{kind} {count / column.rows:.0%}" for kind, count in sorted(rows.items(), key=lambda k: -k[1])[:8]
    )
    text = f"which events of {table.place.shown}:{column.name} count as a positive ({shown})?"
    shown_choices = tuple(" and ".join(kinds)[:200] for kinds in choices)
    at = ask(Question(text, shown_choices if len(choices) > 1 else (*shown_choices, _NAME_THEM), "--events"))
    if at == len(choices):
        raise InputError(f"{table.place.shown}:{column.name} holds {shown}: name those that count with --events A,B")
    chosen = choices[at]
    return (column.name, chosen) if len(chosen) < len(rows) else (None, ())


def _kinds(column: Column) -> int:
    return column.distinct - len(column.rows_of(MISSING | DASHES))


def _wanted_events(table: Table, column: Column, wanted: Sequence[str], rows: Mapping[str, int]) -> tuple[str, ...]:
    unknown = [kind for kind in wanted if kind not in rows]
    if unknown:
        raise InputError(
            f"--events {unknown[0]!r} is no kind of {table.place.shown}:{column.name}; there are {', '.join(rows)}"
        )
    return tuple(wanted)


def _choices_of_events(rows: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Return the readings, the likelier first: what is plainly a choice where that is frequent, else no rejections."""
    roles = {kind: event_role(kind) for kind in rows}
    strong = tuple(kind for kind in rows if roles[kind] == "strong")
    liking = tuple(kind for kind in rows if roles[kind] != "rejecting" and kind not in MISSING)
    frequent = sum(rows[kind] for kind in strong) >= _STRONG_SHARE * sum(rows.values())
    order = [strong, liking] if frequent else [liking, strong]
    return [kinds for kinds in dict.fromkeys([*order, tuple(rows)]) if kinds]


def quantity_of(table: Table, rest: Sequence[Column], ask: Ask) -> str | None:
    """Ask about negative quantities, or sums of money: returns and corrections, which are no choice of an item."""
    named = [column for column in rest if name_score("quantity", column.name) >= _NAMED and column.amounts]
    money = [column for column in rest if name_score("count", column.name) >= _NAMED and column.amounts]
    for column in [*named, *(one for one in money if one not in named)]:
        if (share := _negative(column)) > 0:
            text = f"{table.place.shown}:{column.name} is negative in {share:.1%} of the rows; what are these?"
            choices = ("returns: left out, counted", "positives like the others")
            return (
                None
                if ask(Question(text, choices, "--yes, or remove columns.quantity from the configuration"))
                else column.name
            )
    return None


def guests(table: Table, user: str) -> list[str]:
    """Warn of one user with more than a fifth of the rows: many people, as a guest or an unknown one, not one."""
    column = table.column(user)
    most = int(column.counts.max(initial=0))
    if column.distinct < _LEAST_USERS or most <= _GUESTS * column.rows:
        return []
    name = str(column.uniques[int(column.counts.argmax())])
    share = f"{table.place.shown}:{user} is {name[:40]!r} in {most / column.rows:.0%} of the rows"
    return [f"{share}: if that is no one person but a guest or an unknown user, leave these rows out of the file"]


def cancellations(table: Table) -> list[str]:
    """Warn of order numbers of which a few have a letter in front, as shops number what was cancelled: C536379."""
    told = []
    for column in table.columns:
        if name_score("row", column.name) >= _NAMED:
            marked, rows = column.rows_matching(r"^[A-Za-z]-?[0-9]+$"), column.rows_matching(r"^[0-9]+$")
            if 0 < marked <= _FEW * rows:
                told.append(
                    f"{table.place.shown}:{column.name} has a letter before the number in {marked:,} rows: cancelled "
                    "orders? They count as positives; leave them out of the file if they are"
                )
    return told


def has_commas(column: Column) -> bool:
    """Tell whether numbers of a column have a comma, which the plain reader does not read."""
    return bool(column.rows_matching(r"^\s*[+-]?[0-9.]*[0-9],[0-9]"))


def _negative(column: Column) -> float:
    """Return the share of rows with less than 0, 0 to 1."""
    read = [number_of(str(text).strip()) for text in column.uniques.to_pylist()]
    commas = np.array([np.nan if number is None else number for number in read])
    numbers = np.where(np.isnan(column.parsed), commas, column.parsed)
    return float(column.counts[numbers < 0].sum() / max(1, column.rows))
