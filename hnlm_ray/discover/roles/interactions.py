"""The roles of the columns of a file of interactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from hnlm_ray.base.errors import InputError
from hnlm_ray.discover.files.columns import MISSING, Column, number_of
from hnlm_ray.discover.files.names import has_id, name_score, tokens
from hnlm_ray.discover.files.sample import MENDED, NONE, Ask, Overrides, Question, Table
from hnlm_ray.discover.roles.events import FLAGS, TRUE, events_of, is_flag, quantity_of
from hnlm_ray.discover.roles.items import AGGREGATE, unfit
from hnlm_ray.discover.roles.pairs import Pair, close_rivals
from hnlm_ray.discover.roles.scale import Scale, least_positive, scale_of
from hnlm_ray.discover.roles.times import Times, is_dated, times_of
from hnlm_ray.discover.roles.when import says_the_same, time_column

_NAMED = 0.8
_REVIEW_WORDS = 6
_MOST_REVIEWS = 2
_MOSTLY_DIGITS = 0.4
_SURELY, _REPEATED, _PARTLY = 1.0, 1.5, 0.6
_MOST_STEPS = 21
_NO_RATING: Final = (
    *("count", "quantity", "time", "row", "user", "item", "person", "aggregate", "average", "not_when", "event"),
    *("title", "text", "review", "place"),
)
_BEST_IS_LEAST: Final = frozenset({"note", "noten", "schulnote", "schulnoten", "zensur", "zensuren"})
_LOW = 0.45
_TOP_GRADE, _TOP_GRADES = 6.0, frozenset({4.0, 5.0, 6.0})
_USUAL_TOPS = frozenset({5.0, 10.0, 100.0})
_TOPS: Final = frozenset({1.0, 3.0, 4.0, 5.0, 6.0, 7.0, 10.0, 20.0, 100.0})
_LOWS: Final = frozenset({0.0, 0.5, 1.0})
_HALF_NAMED, _UNSURE, _MOST_RIVALS = 0.5, 0.8, 4


@dataclass(frozen=True)
class InteractionRoles:
    """Which column holds what; ``why`` has the evidence of each column that is used."""

    user: str
    item: str
    rating: str | None = None
    scale: Scale | None = None
    timestamp: str | None = None
    times: Times | None = None
    review: tuple[str, ...] = ()
    event: str | None = None
    events: tuple[str, ...] = ()
    quantity: str | None = None
    why: Mapping[str, str] = field(default_factory=dict)

    @property
    def used(self) -> list[str]:
        """The columns with a role."""
        mapped = (self.user, self.item, self.rating, self.timestamp, self.event, self.quantity, *self.review)
        return [name for name in mapped if name is not None]


def choose_pair(table: Table, pairs: Sequence[Pair], ask: Ask) -> Pair:
    """Take the best pair; ask when others fit as well, or when a name of the two tells nothing and others could do."""
    best = pairs[0]
    unsure = [name for name, role in ((best.user, "user"), (best.item, "item")) if name_score(role, name) < _HALF_NAMED]
    alike = [pair for pair in pairs if pair.score >= best.score - (_UNSURE if len(unsure) == 1 else 0.0)]
    rivals = alike[:_MOST_RIVALS] if len(unsure) == 1 else close_rivals([*pairs] if unsure else [best])
    if len(rivals) < 2 or rivals[0] != best:
        return best
    shown = tuple(
        f"user {pair.user!r} ({_count(table, pair.user)}), item {pair.item!r} ({_count(table, pair.item)})"
        for pair in rivals
    )
    return rivals[ask(Question(f"which columns of {table.place.shown} are user and item?", shown, "--user and --item"))]


def _count(table: Table, name: str) -> str:
    return f"{table.column(name).distinct:,} values, such as {', '.join(table.column(name).head[:3])}"[:80]


def interaction_roles(table: Table, pair: Pair, wanted: Overrides, ask: Ask) -> InteractionRoles:
    """Give the other columns their roles: time first, then rating, what happened, then what the user wrote."""
    table = _with_both(table, pair)
    rest = [column for column in table.columns if column.name not in {pair.user, pair.item}]
    timestamp, times = time_column(table, pair, wanted, ask)
    rest = [column for column in rest if column.name != timestamp]
    rating, scale = _rating(table, pair, rest, wanted, ask)
    rest = [column for column in rest if column.name != rating]
    event, events = events_of(table, rest, wanted, ask)
    quantity = quantity_of(table, rest, ask)
    rest = [column for column in rest if column.name not in {event, quantity}]
    review = _reviews(rest)
    why = {pair.user: _id_told(table.column(pair.user)), pair.item: _id_told(table.column(pair.item))}
    if rating and scale:
        why[rating] = scale.told
    if timestamp and times:
        why[timestamp] = times.told
    why |= {event: f"rows count where it is {' or '.join(events)}"} if event else {}
    why |= {quantity: "rows with 0 or less are left out"} if quantity else {}
    why |= {name: f"texts of about {table.column(name).words:.0f} words" for name in review}
    return InteractionRoles(
        pair.user, pair.item, rating, scale, timestamp, times, review, event, events, quantity, why=why
    )


def _with_both(table: Table, pair: Pair) -> Table:
    """Leave out the rows without a user or an item: a line of totals tells nothing of the other columns."""
    user, item = table.column(pair.user), table.column(pair.item)
    there = np.flatnonzero((user.codes >= 0) & (item.codes >= 0))
    if len(there) == table.rows:
        return table
    return replace(table, columns=tuple(column.taken(there) for column in table.columns))


def _id_told(column: Column) -> str:
    return f"{column.distinct:,} distinct values, {column.repetition:.1f} rows each"


def _rating(
    table: Table, pair: Pair, rest: Sequence[Column], wanted: Overrides, ask: Ask
) -> tuple[str | None, Scale | None]:
    if wanted.rating == NONE:
        return None, None
    if wanted.rating is not None:
        scale = scale_of(table.column(wanted.rating), named=True)
        if scale is None:
            raise InputError(
                f"--rating {wanted.rating}: its values ({_fitting_not(table.column(wanted.rating))}) are no scale of "
                "ratings, numbers from -100 to 100 or words of approval; name another column"
            )
        return wanted.rating, _settled(table, wanted.rating, scale, wanted, ask)
    rest = [column for column in rest if not _is_fact(table, pair, column) and not _rejects(column)]
    read = {
        column.name: scale_of(column, named=_named_rating(column) or not _told_otherwise(column.name))
        for column in rest
    }
    scales = {column.name: scale for column in rest if (scale := read[column.name]) and _is_rating(column, scale)}
    best = max(scales, key=lambda name: _rating_score(table.column(name), scales[name]), default=None)
    if best is None:
        _refuse_unread(table, rest)
        found = _of_rejections(table, pair, wanted, ask)
        return found if found[0] is not None else _asked_rating(table, read, ask)
    best = _of_several_approvals(table, best, scales, ask)
    return best, _settled(table, best, scales[best], wanted, ask)


def _is_fact(table: Table, pair: Pair, column: Column) -> bool:
    """Tell whether a column sums up what many think: a mean, a count of votes, the same in all rows of an item."""
    counted = max(name_score("aggregate", column.name), name_score("count", column.name))
    if counted >= max(_NAMED, name_score("rating", column.name)) and column.amounts and not is_flag(column):
        return name_score("rating", column.name) < _SURELY or not _is_usual(scale_of(column, named=True))
    averaged = name_score("average", column.name) > 0
    item = table.column(pair.item)
    if name_score("rating", column.name) >= _NAMED:
        return averaged
    return averaged or says_the_same(item, column)


def _is_usual(scale: Scale | None) -> bool:
    """Tell whether a scale is one that people rate on: 1 to 5 or 10, or down, none and up."""
    if scale is None:
        return False
    votes = (scale.low, scale.high) == (-1.0, 1.0) and scale.steps <= _MOST_VOTES
    return votes or (scale.high in _USUAL_TOPS and scale.low in {0.5, 1.0} and scale.steps <= _MOST_STEPS)


def _rejects(column: Column) -> bool:
    """Tell whether a column of yes and no is named as what a user does not want: disliked, returned, cancelled."""
    names = [
        part for part in tokens(column.name) if 1.0 in {name_score("rejecting", part), name_score("negation", part)}
    ]
    return is_flag(column) and (bool(names) or name_score("rejecting", column.name) >= _SOME)


def _of_rejections(table: Table, pair: Pair, wanted: Overrides, ask: Ask) -> tuple[str | None, Scale | None]:
    """Ask about a column that says what users rejected or gave back: its rows are no positives."""
    rest = (one for one in table.columns if one.name not in {pair.user, pair.item, wanted.time} and _rejects(one))
    for column in rest:
        texts = [str(text).strip() for text in column.uniques.to_pylist() if str(text).strip() not in MISSING]
        marked = {text: float(text.casefold() not in TRUE) for text in texts if text.casefold() in FLAGS}
        if len({*marked.values()}) < 2:
            continue
        text = f"{table.place.shown}:{column.name} seems to say what users rejected or gave back: do such rows count?"
        choices = ("no, they are no positives", "yes, like the others")
        if ask(Question(text, choices, f"--rating {column.name} or --rating none")) == 0:
            told = "a rejection, so that the other rows are the positives"
            return column.name, Scale(0.0, 1.0, 2, 1.0, told, values=marked)
    return None, None


def _asked_rating(table: Table, read: Mapping[str, Scale | None], ask: Ask) -> tuple[str | None, Scale | None]:
    """Ask about a column whose name tells no other role, and whose numbers could be ratings."""
    found = {name: scale for name, scale in read.items() if scale is not None and _could_be_rating(table, name, scale)}
    if not found:
        return None, None
    order = sorted(found, key=lambda name: (name_score("rating", name), _is_usual(found[name])), reverse=True)
    name, scale = order[0], found[order[0]]
    text = f"{table.place.shown}:{name} holds {scale.steps} numbers from {scale.low:g} to {scale.high:g}: ratings?"
    likely = _is_usual(scale) or name.startswith("column_") or name_score("rating", name) > 0
    choices = ("yes, ratings", "no") if likely else ("no", "yes, ratings")
    taken = choices[ask(Question(text, choices, "--rating"))] == "yes, ratings"
    return (name, scale) if taken else (None, None)


def _could_be_rating(table: Table, name: str, scale: Scale) -> bool:
    """Tell whether a column of an unknown name holds numbers of a usual scale that are no fact of an order."""
    other = max(name_score(role, name) for role in _NO_RATING)
    if other >= _HALF_NAMED or (has_id(name) and not name.startswith("column_")):
        return False
    if name.startswith("column_"):
        return True
    round_top = scale.high in _TOPS and (scale.low in _LOWS or scale.low == -scale.high)
    orders = [one for one in table.columns if name_score("row", one.name) >= _NAMED and one.repetition >= _REPEATED]
    return scale.steps > 2 and round_top and not any(says_the_same(one, table.column(name)) for one in orders)


def unused(column: Column) -> str:
    """Say why a column of the interactions has no role, and what to type if it has one."""
    if name_score("rating", column.name) >= _NAMED:
        return (
            f"named as ratings, but not taken as such ({', '.join(column.head[:3])}); --rating {column.name} takes it"
        )
    scale = scale_of(column)
    if scale is not None and scale.high in _USUAL_TOPS and scale.steps >= 3:
        return f"{scale.told}; if these are ratings: --rating {column.name}"
    if name_score("time", column.name) >= _NAMED:
        return f"named as times, but not taken as such; --time {column.name} takes it"
    if _rejects(column):
        return "it says what users rejected or gave back, and such rows count all the same; leave them out of the file"
    told = unfit(column)
    if told == AGGREGATE:
        return f"it counts or sums up something; if these are a user's ratings: --rating {column.name}"
    return told or "no role in an interaction"


def _fitting_not(column: Column) -> str:
    """Show values of a column, those that are no numbers first."""
    odd = [text for text in column.head if text not in MISSING and number_of(text) is None and not _plain_number(text)]
    return ", ".join((odd or column.head)[:3])


def _plain_number(text: str) -> bool:
    return text.strip().lstrip("+-").replace(".", "", 1).isdecimal()


def _refuse_unread(table: Table, rest: Sequence[Column]) -> None:
    """Stop where a column is plainly named as ratings and can't be read as such: else every row would be a positive."""
    other = ("approval", "aggregate", "count", "review", "text")
    for column in rest:
        named = name_score("rating", column.name)
        if named >= _NAMED and column.distinct > 1 and all(name_score(role, column.name) < named for role in other):
            raise InputError(
                f"{table.place.shown}:{column.name} is named as ratings, but its values ({_fitting_not(column)}) are "
                "no scale of ratings, numbers from -100 to 100 or words of approval: name another column with "
                "--rating, give each value its number in source.interactions.rating_values by hand, or say --rating "
                "none, and every row counts as a positive"
            )


def _of_several_approvals(table: Table, best: str, scales: Mapping[str, Scale], ask: Ask) -> str:
    """Ask which of several columns of yes and no is meant: clicked, liked, bought."""
    alike = [name for name, scale in scales.items() if scale.steps == 2 and (scale.low, scale.high) == (0.0, 1.0)]
    if best not in alike or len(alike) < 2:
        return best
    order = [best, *(name for name in alike if name != best)]
    text = f"which column of {table.place.shown} says that a user liked an item?"
    return order[ask(Question(text, tuple(order), "--rating"))]


def _settled(table: Table, name: str, scale: Scale, wanted: Overrides, ask: Ask) -> Scale:
    """Ask about what does not fit the scale, and about grades of which the least may be the best."""
    column, shown = table.column(name), f"{table.place.shown}:{name}"
    told = [f"{number:g} stands in {rows:,}" for number, rows in scale.outside.items()]
    told += [f"{text[:30]!r} stands in {rows:,}" for text, rows in list(scale.odd.items())[:3]]
    if told:
        spread = f"ratings from {scale.low:g} to {scale.high:g}"
        text = f"{shown} holds {spread}, but {', '.join(told[:5])} of {column.rows:,} rows; what do these mean?"
        if ask(Question(text, ("no rating: missing, counted", "stop, the file is mended first"), MENDED)):
            raise InputError(f"{shown} holds {spread}, but {', '.join(told[:5])}; mend the file and start again")
    if wanted.best == "lowest" or (wanted.best is None and _least_is_best(shown, column, scale, ask)):
        return _inverted(scale, column)
    return scale


def _least_is_best(shown: str, column: Column, scale: Scale, ask: Ask) -> bool:
    """Ask about grades from 1 to 6 whose name is that of school grades: in Germany 1 is the best."""
    grades = _BEST_IS_LEAST & {*tokens(column.name), "".join(tokens(column.name))}
    if not grades or scale.low != 1.0 or scale.high not in _TOP_GRADES:
        return False
    least, most = f"{scale.low:g} is the best", f"{scale.high:g} is the best"
    low = scale.mean < scale.low + _LOW * (scale.high - scale.low)
    if scale.high != _TOP_GRADE and not low:
        return False
    order = (least, most) if low else (most, least)
    text = f"{shown} holds grades from {scale.low:g} to {scale.high:g}: which is the best?"
    return order[ask(Question(text, order, "--best"))] == least


def _inverted(scale: Scale, column: Column) -> Scale:
    turned = scale.inverted([text for text in column.uniques.to_pylist() if text not in scale.odd])
    known = np.array(sorted({*turned.values.values()}))
    return replace(turned, min_rating=least_positive(scale.low, scale.high, known))


_MOST_VOTES = 3
_SOME = 0.6


def _told_otherwise(name: str) -> bool:
    return max(name_score(role, name) for role in _NO_RATING) >= _HALF_NAMED


def _named_rating(column: Column) -> bool:
    named = name_score("rating", column.name)
    return named >= 0.6 and name_score("count", column.name) < max(_NAMED, named)


def _is_rating(column: Column, scale: Scale) -> bool:
    """Ask for a name of ratings, or approval in words or as 0 and 1; without names only 1 to 5 and the like will do."""
    yes_or_no = (scale.low, scale.high, scale.steps) == (0.0, 1.0, 2) and _named_approval(column)
    if _named_rating(column) or yes_or_no:
        return True
    nameless = column.name.startswith("column_")
    usual = scale.high in _USUAL_TOPS and scale.low in {0.5, 1.0} and 3 <= scale.steps <= 20
    opinion = bool(scale.values) and "approval" in scale.told and any(map(_is_opinion, scale.values))
    return (nameless and usual) or (opinion and not column.numeric)


def _is_opinion(word: str) -> bool:
    """Tell whether a word is one of liking by itself; yes and true are of whatever the column's name says."""
    return word.strip().casefold() not in FLAGS and not name_score("neutral", word)


def _named_approval(column: Column) -> bool:
    """Tell whether a word of the name is one of approval; 'reordered' only ends in one."""
    parts = tokens(column.name)
    if any(name_score("of_the_order", part) == 1.0 for part in parts):
        return False
    words = [part for part in parts if name_score("approval", part) == 1.0]
    return bool(words) or name_score("approval", column.name) >= _NAMED


def _rating_score(column: Column, scale: Scale) -> float:
    named = max(name_score("rating", column.name), 0.8 * name_score("approval", column.name))
    named -= 0.5 * (name_score("aggregate", column.name) >= _NAMED)
    return named + column.filled + 0.2 * (scale.steps > 2)


def _reviews(rest: Sequence[Column]) -> tuple[str, ...]:
    """Texts that users wrote: several words, hardly one twice; no times and no codes, which have few letters."""
    texts = [column for column in rest if not column.urls and not column.listed and not column.amounts]
    texts = [column for column in texts if name_score("time", column.name) < _NAMED and column.digits < _MOSTLY_DIGITS]
    named = [c for c in texts if name_score("review", c.name) >= 0.6 and c.words >= 2 and c.repetition < 3]
    unnamed = [c for c in texts if c not in named and c.words >= _REVIEW_WORDS and c.repetition < 1.5]
    unnamed = [column for column in unnamed if not times_of(column, named=True) and not is_dated(column)]
    kept = sorted((named or unnamed)[:_MOST_REVIEWS], key=lambda column: column.words)
    return tuple(column.name for column in kept)
