"""The roles of the columns of a file of interactions.

Which column of a file of interactions says when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hnlm_ray.base.errors import InputError
from hnlm_ray.discover.files.columns import Column
from hnlm_ray.discover.files.names import has_id, name_score
from hnlm_ray.discover.files.sample import Ask, Question, Table
from hnlm_ray.discover.overrides import Overrides
from hnlm_ray.discover.roles.items import tells_of
from hnlm_ray.discover.roles.pairs import Pair, close_rivals
from hnlm_ray.discover.roles.scale import Scale, scale_of
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


_REVIEW_WORDS = 6
_MOST_REVIEWS = 2
_USUAL_TOPS = frozenset({5.0, 10.0, 100.0})


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
    why: Mapping[str, str] = field(default_factory=dict)

    @property
    def used(self) -> list[str]:
        """The columns with a role."""
        return [name for name in (self.user, self.item, self.rating, self.timestamp, *self.review) if name is not None]


def choose_pair(table: Table, pairs: Sequence[Pair], ask: Ask) -> Pair:
    """Take the best pair; ask when others fit as well, or when nothing tells user from item."""
    best = pairs[0]
    named = name_score("user", best.user) >= 0.5 or name_score("item", best.item) >= 0.5
    rivals = close_rivals([pair for pair in pairs if not named or _names_nothing(pair, best)])
    if len(rivals) < 2 or rivals[0] != best:
        return best
    shown = tuple(
        f"user {pair.user!r} ({_count(table, pair.user)}), item {pair.item!r} ({_count(table, pair.item)})"
        for pair in rivals
    )
    return rivals[ask(Question(f"which columns of {table.place.shown} are user and item?", shown, "--user and --item"))]


def _names_nothing(pair: Pair, best: Pair) -> bool:
    return pair == best or (name_score("user", pair.user) >= 0.5) == (name_score("user", best.user) >= 0.5)


def _count(table: Table, name: str) -> str:
    return f"{table.column(name).distinct:,} values, such as {', '.join(table.column(name).head[:3])}"[:80]


def interaction_roles(table: Table, pair: Pair, wanted: Overrides, ask: Ask) -> InteractionRoles:
    """Give the other columns their roles: time first, then rating, then what the user wrote."""
    rest = [column for column in table.columns if column.name not in {pair.user, pair.item}]
    timestamp, times = time_column(table, pair, wanted, ask)
    rest = [column for column in rest if column.name != timestamp]
    rating, scale = _rating(table, rest, wanted)
    rest = [column for column in rest if column.name != rating]
    review = _reviews(rest)
    why = {pair.user: _id_told(table.column(pair.user)), pair.item: _id_told(table.column(pair.item))}
    if rating and scale:
        why[rating] = scale.told
    if timestamp and times:
        why[timestamp] = times.told
    why |= {name: f"texts of about {table.column(name).words:.0f} words" for name in review}
    return InteractionRoles(pair.user, pair.item, rating, scale, timestamp, times, review, why)


def _id_told(column: Column) -> str:
    return f"{column.distinct:,} distinct values, {column.repetition:.1f} rows each"


def _rating(table: Table, rest: Sequence[Column], wanted: Overrides) -> tuple[str | None, Scale | None]:
    if wanted.rating is not None:
        scale = scale_of(table.column(wanted.rating), named=True)
        if scale is None:
            shown = ", ".join(table.column(wanted.rating).head[:3])
            raise InputError(
                f"--rating {wanted.rating}: its values ({shown}) are no scale of ratings, numbers from -100 to 100 or "
                "words of approval; name another column"
            )
        return wanted.rating, scale
    read = {column.name: scale_of(column, named=_named_rating(column)) for column in rest}
    scales = {column.name: scale for column in rest if (scale := read[column.name]) and _is_rating(column, scale)}
    best = max(scales, key=lambda name: _rating_score(table.column(name), scales[name]), default=None)
    return best, None if best is None else scales[best]


def _named_rating(column: Column) -> bool:
    return name_score("rating", column.name) >= 0.6 and name_score("count", column.name) < 0.8


def _is_rating(column: Column, scale: Scale) -> bool:
    """Ask for a name of ratings, or approval in words or as 0 and 1; without names only 1 to 5 and the like will do."""
    yes_or_no = (scale.low, scale.high, scale.steps) == (0.0, 1.0, 2) and name_score("approval", column.name) >= 0.6
    if _named_rating(column) or yes_or_no:
        return True
    nameless = column.name.startswith("column_")
    usual = scale.high in _USUAL_TOPS and scale.low in {0.5, 1.0} and 3 <= scale.steps <= 20
    return (nameless and usual) or (bool(scale.values) and not column.numeric and "approval" in scale.told)


def _rating_score(column: Column, scale: Scale) -> float:
    named = max(name_score("rating", column.name), 0.8 * name_score("approval", column.name))
    return named + column.filled + 0.2 * (scale.steps > 2)


def _reviews(rest: Sequence[Column]) -> tuple[str, ...]:
    """Texts that users wrote: several words, hardly one twice."""
    texts = [column for column in rest if not column.urls and not column.listed and not column.numeric]
    named = [c for c in texts if name_score("review", c.name) >= 0.6 and c.words >= 2 and c.repetition < 3]
    unnamed = [c for c in texts if c not in named and c.words >= _REVIEW_WORDS and c.repetition < 1.5]
    kept = sorted((named or unnamed)[:_MOST_REVIEWS], key=lambda column: column.words)
    return tuple(column.name for column in kept)
