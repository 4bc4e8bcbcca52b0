"""Which file is about whose values: the key of one file found in a column of another."""

from __future__ import annotations

from dataclasses import dataclass

from hnlm_ray.discover.files.columns import Column, share_found
from hnlm_ray.discover.files.names import name_score, only_id, same_name
from hnlm_ray.discover.files.sample import Table

_LEAST_FOUND = 0.3
_LEAST_FOUND_OF_PART = 0.05
_KEY_LENGTH = 80
_COVERED = 0.5
_CLEARLY = 0.2
_CLOSE = 0.1


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
    """

    column: str
    key: str
    found: float
    score: float
    covered: float = 0.0

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
    return sorted(fitting, key=lambda column: -_key_score(column))


def _is_key(column: Column) -> bool:
    plain = not column.urls and not column.listed and column.length <= _KEY_LENGTH and not column.typed_time
    unique = column.distinct >= 0.98 * column.filled * column.rows
    return plain and unique and column.filled > 0.5 and (column.whole or not column.numeric)


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
    found = share_found(column, key) if column.repetition > 0 and not column.urls else 0.0
    named = same_name(column.name, key.name) and not column.name.startswith("column_")
    about = max(name_score("item", column.name), name_score("item", key.name)) if only_id(key.name) or named else 0.0
    few = column.distinct < min(50, 0.02 * key.distinct)
    score = found + 0.6 * named + 0.2 * about - 0.8 * few + 0.1 * _id_name(column, other)
    return Link(column.name, key.name, found, score, found * column.distinct / max(1, key.distinct))


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
