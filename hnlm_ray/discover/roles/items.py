"""The roles of the columns of a file of items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hnlm_ray.discover.files.columns import Column, differing, differing_by_chance
from hnlm_ray.discover.files.names import has_id, name_score
from hnlm_ray.discover.files.sample import Table
from hnlm_ray.discover.roles.scale import scale_of

AGGREGATE: Final = "it counts held-out ratings too"
MOST_ATTRIBUTES = 10
MOST_TEXTS = 3
_TEXT_WORDS = 12
_LIST_LENGTH = 300
_LEAST_FILLED = 0.05
_SLIPS = 0.05
_CODED = 0.4
"""Share of digits above which a short text is a code, not a name."""


@dataclass(frozen=True)
class ItemRoles:
    """Which column describes an item how; ``why`` and ``left`` have the evidence of each column."""

    item: str
    title: str | None = None
    attributes: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    why: Mapping[str, str] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)


def item_roles(table: Table, key: str, linked: str, title: str | None = None) -> ItemRoles:
    """Give the columns beside the key their roles: title, short facts, longer texts, or none."""
    rest = [column for column in table.columns if column.name != key]
    left = {column.name: told for column in rest if column.name != title and (told := unfit(column))}
    rest = [column for column in rest if column.name not in left]
    best = title or _title(rest)
    rest = [column for column in rest if column.name != best]
    texts = [column.name for column in rest if _is_text(column)][:MOST_TEXTS]
    facts = [column.name for column in rest if column.name not in texts]
    left |= dict.fromkeys(facts[MOST_ATTRIBUTES:], f"{MOST_ATTRIBUTES} attributes are enough for a prompt")
    why = {key: linked} | {name: _told(table.column(name)) for name in (*texts, *facts, *([best] if best else []))}
    return ItemRoles(key, best, tuple(facts[:MOST_ATTRIBUTES]), tuple(texts), why, left)


def unfit(column: Column) -> str:
    """Say why a column describes no item; empty when it may."""
    coded = has_id(column.name) and name_score("title", column.name) < 0.6
    reasons = {
        "empty or always the same": column.distinct < 2,
        f"only {column.filled:.1%} of the rows have a value": column.filled < _LEAST_FILLED,
        "addresses of pages or images": column.urls,
        "long lists, too much for a prompt": not column.paragraphs
        and (column.long_lists or (column.listed and column.length > _LIST_LENGTH)),
        "long texts that say the same of many": column.words >= _TEXT_WORDS and column.repetition >= 5,
        "numbers or codes of something else": coded,
        AGGREGATE: _is_aggregate(column),
        "a number that is different in every row": column.all_distinct and column.numeric and column.rows >= 20,
    }
    return next((told for told, holds in reasons.items() if holds), "")


def _is_aggregate(column: Column) -> bool:
    """Tell whether it sums up what all users thought of an item, whose test ratings no prompt may hold."""
    named = max(name_score("rating", column.name), name_score("aggregate", column.name)) >= 0.6
    return named and (column.numeric or scale_of(column) is not None)


def described_by(table: Table, item: str, taken: Sequence[str]) -> list[str]:
    """Return the columns of a file of interactions that say the same of an item in each of its rows."""
    key = table.column(item)
    rest = [column for column in table.columns if column.name not in taken and not unfit(column)]
    if key.repetition < 1.5:
        return []
    return [column.name for column in rest if column.distinct > 1 and tells_of(key, column)]


def tells_of(key: Column, column: Column) -> bool:
    """Tell whether all rows of a key say the same, but for slips: chance alone would make them differ far more."""
    return differing(key, column) <= _SLIPS * differing_by_chance(key, column)


def _title(rest: Sequence[Column]) -> str | None:
    """Take the best named column, else short texts that tell most items apart."""
    named = {
        column.name: name_score("title", column.name)
        for column in rest
        if not column.amounts and not column.listed and column.words < 30 and not _counts(column)
    }
    named = {name: score for name, score in named.items() if score >= 0.5}
    spread = {column.name: column.distinct for column in rest}
    if named:
        return max(named, key=lambda name: (named[name] >= 0.8, spread[name], named[name]))
    telling = [column for column in rest if could_be_title(column)]
    return max(telling, key=lambda column: column.distinct).name if telling else None


def could_be_title(column: Column) -> bool:
    """Tell whether short texts tell the rows apart, practically each its own."""
    plain = not column.amounts and not column.listed and not column.urls and not column.typed_time
    plain = plain and column.digits < _CODED and not _counts(column)
    return (
        plain
        and column.words < _TEXT_WORDS
        and column.filled > 0.95
        and column.repetition < 1.05
        and 3 <= column.length <= 100
    )


def _is_text(column: Column) -> bool:
    if (column.listed and not column.paragraphs) or column.amounts or _counts(column):
        return False
    named = name_score("text", column.name) >= 0.6 and column.words >= 4
    return (named or column.words >= _TEXT_WORDS) and column.repetition < 5


def _counts(column: Column) -> bool:
    """Tell whether the name is that of a price, a stock or a code, which is no prose however it is written."""
    counted = max(name_score("count", column.name), name_score("time", column.name)) >= 0.8
    return counted and name_score("title", column.name) < 0.8 and column.words < _TEXT_WORDS


def _told(column: Column) -> str:
    return (
        f"{column.distinct:,} distinct values, about {max(1, column.words):.0f} words each, {column.filled:.0%} filled"
    )
