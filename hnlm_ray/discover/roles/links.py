"""Which file is about whose values: the key of one file found in a column of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from hnlm_ray.discover.files.columns import Column, share_found
from hnlm_ray.discover.files.names import name_score, only_id, same_name, same_thing
from hnlm_ray.discover.files.sample import FOLDS, Table
from hnlm_ray.sources.rows.values import folded

_LEAST_FOUND = 0.3
_LEAST_FOUND_OF_PART = 0.05
_KEY_LENGTH = 80
_COVERED = 0.5
_CLEARLY = 0.2
_CLOSE = 0.1
_NAMED, _LEAST_NAMED = 0.8, 0.5
_MOST_ROWS_A_KEY = 20
_LEAST_GAIN = 0.02


@dataclass(frozen=True)
class Link:
    """A column whose values are the key of another file.

    Attributes
    ----------
    column
        The column that refers.
    key
        The key of the other file.
    found
        Share of the column's distinct values that the key has, 0 to 1.
    score
        How well the two fit, names included: 0 to 2.
    covered
        Share of the key's values that the column has, 0 to 1.
    rows_a_key
        Rows of the other file that a value of its key has.
    """

    column: str
    key: str
    found: float
    score: float
    covered: float = 0.0
    rows_a_key: float = 1.0

    @property
    def rank(self) -> float:
        """The score, and of two columns that are found in a key the one that covers more of it."""
        return self.score + _COVERED * self.covered

    def told(self, table: Table) -> str:
        """Say how many values were found where."""
        return f"{self.found:.1%} of its values found in {table.place.base}:{self.key}"


def keys(table: Table) -> list[Column]:
    """Return the columns that could identify a row, the likelier first."""
    fitting = [column for column in table.columns if _is_key(column)]
    fitting = fitting or [column for column in table.columns if _is_repeated_key(table, column)]
    return sorted(fitting, key=lambda column: -_key_score(column))


def _is_key(column: Column) -> bool:
    plain = not column.urls and not column.listed and column.length <= _KEY_LENGTH and not column.typed_time
    unique = column.distinct >= 0.98 * column.filled * column.rows
    return plain and unique and column.filled > 0.5 and (column.whole or not column.numeric)


def _is_repeated_key(table: Table, column: Column) -> bool:
    """Tell whether an item has several rows, one a category: a column of items in a file without users or times."""
    plain = not column.urls and not column.listed and column.length <= _KEY_LENGTH and not column.typed_time
    alone = all(name_score(role, name) < _NAMED for role in ("user", "rating", "time") for name in table.names)
    named = name_score("item", column.name) >= _NAMED or only_id(column.name)
    return plain and alone and named and column.filled > 0.5 and column.repetition <= _MOST_ROWS_A_KEY


def _key_score(column: Column) -> float:
    named = max(name_score("item", column.name), name_score("user", column.name), float(only_id(column.name)))
    return named - name_score("title", column.name) + column.filled - column.words / 20


def best_link(table: Table, other: Table, skip: frozenset[str] = frozenset()) -> Link | None:
    """Return the column of ``table`` that refers to ``other``, if there is one."""
    found = _links(table, other, skip)
    return found[0] if found else None


def close_links(table: Table, other: Table) -> list[Link]:
    """Return the best link of each column that refers to ``other`` about as well as the best one."""
    found = {link.column: link for link in reversed(_links(table, other, frozenset()))}
    best = max((link.rank for link in found.values()), default=0.0)
    return [link for link in found.values() if best - link.rank < _CLOSE]


def _links(table: Table, other: Table, skip: frozenset[str]) -> list[Link]:
    """Return the links whose values are found, the best first."""
    found = [_link(column, key, other) for column in table.columns if column.name not in skip for key in keys(other)]
    least = _LEAST_FOUND if other.complete else _LEAST_FOUND_OF_PART
    return sorted((link for link in found if link.found >= least), key=lambda link: -link.rank)


def _link(column: Column, key: Column, other: Table) -> Link:
    """Small whole numbers are found in any key that counts up, so names decide among them."""
    able = column.repetition > 0 and not column.urls and _may_be_key_of(column, key)
    found = share_found(column, key) if able else 0.0
    named = same_name(column.name, key.name) and not column.name.startswith("column_")
    about = max(name_score("item", column.name), name_score("item", key.name)) if only_id(key.name) or named else 0.0
    few = column.distinct < min(50, 0.02 * key.distinct)
    score = found + 0.6 * named + 0.2 * about - 0.8 * few + 0.1 * _id_name(column, other)
    covered = found * column.distinct / max(1, key.distinct)
    return Link(column.name, key.name, found, score, covered, key.repetition)


def _may_be_key_of(column: Column, key: Column) -> bool:
    """Tell whether whole numbers may refer to a key: not where its name is that of another thing, a tag or a store."""
    if not key.whole or key.name.startswith("column_") or column.name.startswith("column_"):
        return True
    items = min(name_score("item", key.name), name_score("item", column.name)) >= _LEAST_NAMED
    return items or only_id(key.name) or only_id(column.name) or same_thing(column.name, key.name)


def _id_name(column: Column, other: Table) -> float:
    return name_score("item", column.name) if about_items(other) > 0 else name_score("user", column.name)


def about_items(table: Table) -> float:
    """Say whether a file is about items (above 0) or about people (below 0), by its names and texts."""
    stem = table.place.base.split(".")[0]
    names = table.names
    people = max(name_score("user", stem), max((name_score("user", name) for name in names), default=0))
    people += 0.7 * any(name_score("person", name) >= 0.8 for name in names)
    items = max(name_score("item", stem), max((name_score("item", name) for name in names), default=0))
    items += 0.5 * any(name_score("title", name) >= 0.8 for name in names)
    items += 0.5 * any(column.words >= 8 for column in table.columns)
    return items - people


def item_link(main: Table, other: Table, user: str, item: str) -> Link | None:
    """Return the link of a file about items to the item's column of the interactions, if there is one."""
    skip = frozenset({user}) if about_items(other) >= 0 else frozenset()
    link = best_link(main, other, skip)
    fits = link is not None and link.column == item and users_link(main, other, user, item) is None
    return link if fits else None


def users_link(main: Table, other: Table, user: str, item: str) -> Link | None:
    """Return the link to the user's column where the key of a file fits it clearly better than the item's."""
    users, items = (best_link(main, other, _all_but(main, name)) for name in (user, item))
    better = users is not None and users.rank - (items.rank if items else 0.0) > _CLEARLY
    return users if better else None


def _all_but(table: Table, name: str) -> frozenset[str]:
    return frozenset(table.names) - {name}


@dataclass(frozen=True)
class Dress:
    """What ids lose so that more of them are found.

    Attributes
    ----------
    folds
        Of ``source.fold_ids``.
    found, before
        Share of the ids that are found with and without, 0 to 1.
    key
        The column of the other file.
    merged
        Ids that become one with another.
    """

    folds: tuple[str, ...]
    found: float
    before: float
    key: str
    merged: int = 0


def dress_between(column: Column, other: Table) -> Dress | None:
    """Tell whether ids that differ in dress alone keep a file from being linked; the fewest folds that find most."""
    best: Dress | None = None
    for key in other.columns:
        before = share_found(column, key)
        tried = [(fold,) for fold in FOLDS] + [FOLDS[:3], FOLDS]
        for folds in tried:
            found = _found_folded(column, key, folds)
            gained = found - max(before, best.found if best else 0.0)
            if found >= _COVERED and gained >= _LEAST_GAIN and _fits_name(column, key, found):
                best = Dress(folds, found, before, key.name, _merged(column, folds))
    return best


def _fits_name(column: Column, key: Column, found: float) -> bool:
    about = name_score("item", key.name) >= _NAMED or only_id(key.name) or same_name(column.name, key.name)
    return not key.urls and not key.listed and (about or found > 0.9) and key.distinct >= 2


def _found_folded(column: Column, key: Column, folds: Sequence[str]) -> float:
    if not column.distinct or not key.distinct:
        return 0.0
    one, other = (pc.unique(folded(side.uniques, folds)) for side in (column, key))
    return float(pc.mean(pc.is_in(one, value_set=other).cast("int8")).as_py() or 0.0)


def _merged(column: Column, folds: Sequence[str]) -> int:
    return column.distinct - len(pc.unique(folded(column.uniques, folds)))


def dress_within(column: Column) -> Dress | None:
    """Tell whether ids of one column differ in dress alone: '12' and '12.0', 'a1' and 'a1 '."""
    for fold in FOLDS:
        merged = _merged(column, (fold,))
        if merged >= max(1, _LEAST_GAIN * column.distinct):
            return Dress((fold,), 1.0, 1.0, column.name, merged)
    return None
