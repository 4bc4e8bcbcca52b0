"""Who did something with what: the user's and the item's column of a file of interactions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from hnlm_ray.discover.files.columns import Column, distinct_pairs
from hnlm_ray.discover.files.names import has_id, name_score, only_id
from hnlm_ray.discover.files.sample import Table
from hnlm_ray.discover.roles.items import could_be_title
from hnlm_ray.discover.roles.times import times_of

_CANDIDATES = 6
_MOST_WORDS = 5
_LEAST_SCORE = 0.4
_CLOSE = 0.25
_LEAST_SPREAD = 0.25
_LONG_TEXT = 12


@dataclass(frozen=True)
class Pair:
    """The two id columns of a file of interactions, and how well they fit."""

    user: str
    item: str
    score: float


def ranked_pairs(
    table: Table,
    links: Mapping[str, float],
    user: str | None = None,
    item: str | None = None,
    *,
    tied: frozenset[str] = frozenset(),
) -> list[Pair]:
    """Return the likeliest pairs of columns, the best first; a column that the user named is taken.

    Parameters
    ----------
    table
        The file.
    links
        How well each column refers to a file about items, 0 to 2.
    tied
        Columns that refer to the same file alike: one is the user's, so none is less of a user for it.
    """
    ids = {column.name: score for column in table.columns if (score := _id_score(column)) is not None}
    alone = {name: score for name, score in links.items() if name not in tied}
    scored_users = {name: _user_score(name, ids[name], alone) for name in ids} if user is None else {user: 2.0}
    scored_items = {name: _item_score(name, ids[name], links) for name in ids} if item is None else {item: 2.0}
    pairs = [
        Pair(one, other, scored_users[one] + scored_items[other])
        for one, other in product(_best(scored_users), _best(scored_items))
        if one != other
    ]
    good = [pair for pair in pairs if user or item or pair.score >= _LEAST_SCORE]
    ranked = sorted(good, key=lambda pair: -pair.score)[: 2 * _CANDIDATES]
    return [pair for pair in ranked if (user and item) or not _is_one_thing(table, pair)]


def close_rivals(pairs: list[Pair]) -> list[Pair]:
    """Return the pairs that fit about as well as the best, the best itself included."""
    return [pair for pair in pairs if pairs[0].score - pair.score < _CLOSE][:4]


def _best(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda name: -scores[name])[:_CANDIDATES]


def _id_score(column: Column) -> float | None:
    """Say how well a column's values do as ids, 0 to 1; None when they can't be."""
    if column.distinct < 2 or column.filled < 0.3 or column.urls or column.listed or column.words > _MOST_WORDS:
        return None
    if (column.numeric and not column.whole) or column.typed_time or _numbers_rows(column):
        return None
    named = max(name_score("user", column.name), name_score("item", column.name))
    if named < 0.8 and (name_score("time", column.name) >= 0.8 or times_of(column)):
        return None
    if named < 0.8 and max(name_score("rating", column.name), name_score("count", column.name)) >= 0.8:
        return None
    spread = math.log(column.distinct) / math.log(max(2, column.rows))
    return spread - (0.5 if spread < _LEAST_SPREAD and column.rows > 50 else 0.0)


def _numbers_rows(column: Column) -> bool:
    return column.all_distinct and column.rows >= 10


def lists_things(table: Table, pair: Pair) -> bool:
    """Tell whether a file has a row a thing (item, person), so that no two columns of it are an interaction."""
    if name_score("user", pair.user) >= 0.5 and name_score("item", pair.item) >= 0.5:
        return False
    keyed = any(
        _numbers_rows(c) and c.words <= 1 and name_score("row", c.name) < 0.8 and not times_of(c) for c in table.columns
    )
    titled = any(could_be_title(column) or column.words >= _LONG_TEXT for column in table.columns)
    happened = any(times_of(column) or name_score("rating", column.name) >= 0.8 for column in table.columns)
    return keyed and (titled or not happened)


def _user_score(name: str, spread: float, links: Mapping[str, float]) -> float:
    other = max(name_score("item", name), 0.5 * name_score("title", name), name_score("row", name))
    return 0.6 * spread + 2 * name_score("user", name) + 0.2 * has_id(name) - other - 0.5 * links.get(name, 0.0)


def _item_score(name: str, spread: float, links: Mapping[str, float]) -> float:
    other = max(name_score("user", name), 0.5 * name_score("title", name), name_score("row", name))
    bare = 0.5 * only_id(name)
    return 0.6 * spread + 2 * name_score("item", name) + 0.2 * has_id(name) + bare + links.get(name, 0.0) - other


def _is_one_thing(table: Table, pair: Pair) -> bool:
    """Tell whether one column only says the other again, as a user's id and name do."""
    user, item = table.column(pair.user), table.column(pair.item)
    pairs, most = distinct_pairs(user, item), max(user.distinct, item.distinct)
    repeated = min(user.repetition, item.repetition) >= 1.3
    return repeated and pairs <= 1.05 * most
