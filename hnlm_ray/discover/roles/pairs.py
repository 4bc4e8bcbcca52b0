"""Who did something with what: the user's and the item's column of a file of interactions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from hnlm_ray.discover.files.columns import Column, distinct_pairs
from hnlm_ray.discover.files.names import has_id, name_score, only_id
from hnlm_ray.discover.files.sample import Table
from hnlm_ray.discover.roles.events import is_events, is_flag, names_events
from hnlm_ray.discover.roles.items import could_be_title, tells_of
from hnlm_ray.discover.roles.scale import scale_of
from hnlm_ray.discover.roles.times import times_of

_CANDIDATES = 6
_MOST_WORDS = 5
_LEAST_SCORE = 0.4
_CLOSE = 0.25
_LEAST_SPREAD = 0.25
_LONG_TEXT = 12
_NAMED, _PARTLY = 0.8, 0.7
_FIRST, _LATER, _ID_PLACES = 0.3, 0.2, 2
_REPEATED, _TOGETHER = 1.3, 1.1
_RANK, _RATED = 0.5, 0.4
_MOSTLY = 0.9
_SOME, _FEW_IDS, _VISIT = 0.6, 8, 0.8
_FEW_STEPS, _LEAST_RANKS, _LEAST_OWNERS = 21, 3, 5


@dataclass(frozen=True)
class Pair:
    """The two id columns of a file of interactions, how well they fit, and how usual their order is."""

    user: str
    item: str
    score: float
    order: float = 0.0


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
    ids = {column.name: score for column in table.columns if (score := _id_score(table, column)) is not None}
    alone = {name: score for name, score in links.items() if name not in tied}
    scored_users = {name: _user_score(name, ids[name], alone) for name in ids} if user is None else {user: 2.0}
    things = [name for name in ids if name_score("item", name) >= _NAMED or name_score("row", name) < _NAMED]
    scored_items = {name: _item_score(name, ids[name], links) for name in things} if item is None else {item: 2.0}
    happened = _times(table)
    if user is None:
        scored_users = {name: score - _of_one_time(table, name, happened) for name, score in scored_users.items()}
    if item is None:
        scored_items = {name: score - _of_one_time(table, name, happened) for name, score in scored_items.items()}
    pairs = [
        Pair(one, other, scored_users[one] + scored_items[other], _order(table, one, other))
        for one, other in product(_best(scored_users), _best(scored_items))
        if one != other
    ]
    good = [pair for pair in pairs if user or item or pair.score >= _LEAST_SCORE]
    ranked = sorted(good, key=lambda pair: -pair.score - pair.order)[: 2 * _CANDIDATES]
    if user and item:
        return ranked
    return [pair for pair in ranked if not _is_one_thing(table, pair) and not _counts_within(table, pair)]


def _order(table: Table, user: str, item: str) -> float:
    """Of columns whose names say nothing the user's comes first, as in all formats that have no names."""
    if max(name_score(role, name) for role in ("user", "item") for name in (user, item)) >= _NAMED:
        return 0.0
    at, other = table.names.index(user), table.names.index(item)
    nameless = user.startswith("column_") and item.startswith("column_")
    return _FIRST * (1 if at < other else -1) - (_LATER * (at + other - 1) if nameless else 0.0)


def _times(table: Table) -> list[Column]:
    """Return the columns that say when, however they are called."""
    rest = [column for column in table.columns if name_score("not_when", column.name) < _PARTLY]
    found = [column for column in rest if name_score("time", column.name) >= _PARTLY and times_of(column, named=True)]
    return found or [column for column in rest if is_timed(table, column)]


def _of_one_time(table: Table, name: str, happened: Sequence[Column]) -> float:
    """Take points off orders, baskets and sessions: all rows of each have one time, while a user comes again."""
    column = table.column(name)
    named = max(name_score("user", name), name_score("item", name))
    if named >= _NAMED or column.repetition < _REPEATED:
        return 0.0
    others = [one for one in happened if one.name != name and one.repetition < column.rows / 2]
    return 1.0 if others and _stands_together(column) and all(tells_of(column, one) for one in others) else 0.0


def _stands_together(column: Column) -> bool:
    """Tell whether the rows of each value follow each other, as those of an order do."""
    codes = column.codes[column.codes >= 0]
    return bool(1 + np.count_nonzero(np.diff(codes)) <= _TOGETHER * column.distinct)


def is_transaction(table: Table, name: str) -> bool:
    """Tell whether a column numbers orders or baskets, by its name or since all rows of each value have one time."""
    named = name_score("user", name)
    by_name = name_score("row", name) >= _NAMED > named
    return by_name or (named < _NAMED and _of_one_time(table, name, _times(table)) > 0)


def close_rivals(pairs: list[Pair]) -> list[Pair]:
    """Return the pairs that fit about as well as the best, the best itself included."""
    return [pair for pair in pairs if pairs[0].score - pair.score < _CLOSE][:4]


def _best(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda name: -scores[name])[:_CANDIDATES]


def _id_score(table: Table, column: Column) -> float | None:
    """Say how well a column's values do as ids, 0 to 1; None when they can't be."""
    if column.distinct < 2 or column.filled < 0.3 or column.urls or column.listed or column.words > _MOST_WORDS:
        return None
    named = max(name_score("user", column.name), name_score("item", column.name))
    fractions = column.amounts and not column.whole and named < _NAMED
    if fractions or column.typed_time or _numbers_rows(column) or is_flag(column):
        return None
    timed = name_score("time", column.name) >= _PARTLY or is_timed(table, column)
    if is_events(column) or (named < _NAMED and (names_events(column) or timed)):
        return None
    told = max(name_score(role, column.name) for role in ("rating", "count", "quantity", "person", "place"))
    if told >= _SOME and told >= named and not (has_id(column.name) and named >= _NAMED):
        return None
    spread = math.log(column.distinct) / math.log(max(2, column.rows))
    rank = _RANK if named < _NAMED and _is_rank(column) else 0.0
    first = table.names.index(column.name) < _ID_PLACES  # without names ids come first, and ratings after them
    rated = _RATED if named < _NAMED and not first and column.distinct <= _FEW_STEPS and scale_of(column) else 0.0
    few = 0.5 if column.rows > 50 and spread < _LEAST_SPREAD else 0.0
    unsaid = named < _NAMED and not column.name.startswith("column_") and column.distinct < _FEW_IDS
    return spread - max(few, 0.3 * (unsaid and column.rows > 50)) - rank - rated


def _counts_within(table: Table, pair: Pair) -> bool:
    """Tell whether the item's column only counts each user's rows from 1 on: the place in an order, the nth order."""
    user, item = table.column(pair.user), table.column(pair.item)
    told = name_score("item", pair.item) >= _NAMED or pair.item.startswith("column_")
    if told or not item.whole or item.numbers.min() not in {0.0, 1.0}:
        return False
    rows = (user.codes >= 0) & (item.codes >= 0)
    users, numbers = user.codes[rows], item.parsed[item.codes[rows]]
    order = np.lexsort((numbers, users))
    users, numbers = users[order], numbers[order]
    same = users[1:] == users[:-1]
    firsts = numbers[np.append(True, ~same)]
    from_one = np.mean(firsts <= 1) >= _MOSTLY
    return bool(from_one and same.any() and np.mean(numbers[1:][same] - numbers[:-1][same] == 1) >= _MOSTLY)


def _is_rank(column: Column) -> bool:
    """Tell whether the values count from 0 or 1, each rarer than the one before: places within an order or a user."""
    if not column.whole or column.distinct < _LEAST_RANKS or column.numbers.min() not in {0.0, 1.0}:
        return False
    order = np.argsort(column.numbers)
    rows = column.counts[~np.isnan(column.parsed)][order]
    contiguous = column.numbers.max() - column.numbers.min() + 1 == len(column.numbers)
    return bool(contiguous and np.all(np.diff(rows) <= 0) and rows[0] > rows[-1])


def is_timed(table: Table, column: Column) -> bool:
    """Tell whether a column without a name of times holds times, not ids that look like seconds since 1970.

    Such numbers are of 1995 to 2035, and whole days, or hardly one is there twice, or those that are belong to one
    value of another column (a user who does several things in a second).
    """
    found = times_of(column)
    if not found or not column.numeric or found[0].time_format is not None or not found[0].units:
        return bool(found)
    seconds = column.numbers / _FACTORS[found[0].units[0]]
    seconds = seconds[(seconds >= _EARLIEST) & (seconds <= _LAST_SECOND)]
    if not len(seconds) or seconds.min() < _FIRST_SECOND:
        return False
    if column.repetition < _REPEATED or bool(np.all(seconds % _DAY == seconds[0] % _DAY)):
        return True
    owners = [one for one in table.columns if one.name != column.name and one.repetition > column.repetition]
    return any(one.distinct >= _LEAST_OWNERS and tells_of(column, one) for one in owners)


def _numbers_rows(column: Column) -> bool:
    return column.all_distinct and column.rows >= 10


_FACTORS: Final = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}
_EARLIEST, _FIRST_SECOND, _LAST_SECOND, _DAY = 50_000_000, 788_918_400, 2_082_758_400, 86_400


def lists_things(table: Table, pair: Pair) -> bool:
    """Tell whether a file has a row a thing (item, person), so that no two columns of it are an interaction."""
    if name_score("user", pair.user) >= 0.5 and name_score("item", pair.item) >= 0.5:
        return False
    keyed = any(_keys_things(table, column) for column in table.columns)
    titled = any(could_be_title(column) or column.words >= _LONG_TEXT for column in table.columns)
    happened = any(is_timed(table, column) or name_score("rating", column.name) >= 0.8 for column in table.columns)
    return keyed and (titled or not happened)


def _keys_things(table: Table, column: Column) -> bool:
    """Tell whether a column numbers the rows' things: no row numbers, times, prices or texts."""
    counted = name_score("row", column.name) >= _NAMED or name_score("count", column.name) >= _PARTLY
    plain = column.words <= 1 and (column.whole or not column.amounts) and not counted
    return plain and _numbers_rows(column) and not is_timed(table, column)


def _user_score(name: str, spread: float, links: Mapping[str, float]) -> float:
    other = max(name_score("item", name), 0.5 * name_score("title", name), name_score("row", name))
    other += _VISIT * (name_score("visit", name) >= _NAMED)
    return 0.6 * spread + 2 * name_score("user", name) + 0.2 * has_id(name) - other - 0.5 * links.get(name, 0.0)


def _item_score(name: str, spread: float, links: Mapping[str, float]) -> float:
    """Score a column as items; one that is named as their titles is no id: beside 'item name' a code is better."""
    other = max(name_score("user", name), 0.5 * name_score("title", name), name_score("row", name))
    bare = 0.5 * only_id(name)
    titled = name_score("title", name) >= _NAMED and not has_id(name)
    called = 0.0 if titled else 2 * name_score("item", name)
    return 0.6 * spread + called + 0.2 * has_id(name) + bare + links.get(name, 0.0) - other


def _is_one_thing(table: Table, pair: Pair) -> bool:
    """Tell whether one column only says the other again, as a user's id and name do."""
    user, item = table.column(pair.user), table.column(pair.item)
    pairs, most = distinct_pairs(user, item), max(user.distinct, item.distinct)
    repeated = min(user.repetition, item.repetition) >= 1.3
    return repeated and pairs <= 1.05 * most
