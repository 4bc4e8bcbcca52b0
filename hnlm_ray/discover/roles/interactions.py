"""The roles of the columns of a file of interactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hnlm_ray.base.errors import InputError
from hnlm_ray.discover.files.columns import Column
from hnlm_ray.discover.files.names import name_score
from hnlm_ray.discover.files.question import Ask, Question
from hnlm_ray.discover.files.sample import Table
from hnlm_ray.discover.overrides import Overrides
from hnlm_ray.discover.roles.pairs import Pair, close_rivals
from hnlm_ray.discover.roles.scale import Scale, scale_of
from hnlm_ray.discover.roles.time_column import time_column
from hnlm_ray.discover.roles.times import Times

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
