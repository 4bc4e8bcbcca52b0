"""The interactions as the real reader gives them: how many lines are bad, and how dense the positives are.

Which k-core leaves data: tried on the interactions themselves.

What a configuration leaves out of the files: rows, values, columns and files, with the way to have it otherwise.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import Config
from hnlm_ray.discover.found import LEFT, Understanding
from hnlm_ray.sources import Rejects, read_interactions, read_items
from hnlm_ray.sources.readers.delimited import HEADER_AGAIN

CORES: Final = ((5, 5), (5, 3), (5, 2), (3, 3), (3, 2), (5, 1), (3, 1), (2, 2), (2, 1), (1, 1))
"""User's and item's least positives, the strictest first; users with fewer than 3 have nothing to test on."""
_KEPT_SHARE = 0.5
_FEW_USERS, _FEW_ITEMS = 30, 30
_SEED = 42

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Core:
    """A k-core and what it leaves of the positives that the sample of users had."""

    user_core: int
    item_core: int
    users: int
    items: int
    positives: int
    sampled: int = 0


def choose_core(users: Ids, items: Ids, most_users: int | None) -> Core:
    """Return the strictest core that keeps at least half of the positives, some users and some items.

    Parameters
    ----------
    users, items
        Codes of the positives, int64, each pair once.
    most_users
        Size of the sample of users that is taken first, as ``prepare.max_users`` does; None: all.
    """
    found = [_core(users, items, one, most_users) for one in CORES]
    least_users = min(_FEW_USERS, len(np.unique(users)) // 3)
    fitting = (
        core
        for core, whole in found
        if core.positives >= _KEPT_SHARE * whole
        and core.users >= least_users
        and core.items >= min(_FEW_ITEMS, len(np.unique(items)) // 3)
    )
    return next(fitting, max((core for core, _ in found), key=lambda core: core.positives))


def _core(users: Ids, items: Ids, least: tuple[int, int], most_users: int | None) -> tuple[Core, int]:
    """Return a core and the positives of the sample it was taken of."""
    inside = _sampled(users, least[0], most_users)
    whole = int(inside.sum())
    kept = k_core(users[inside], items[inside], *least)
    kept_users, kept_items = users[inside][kept], items[inside][kept]
    return Core(*least, len(np.unique(kept_users)), len(np.unique(kept_items)), int(kept.sum()), whole), whole


def _sampled(users: Ids, user_core: int, most_users: int | None) -> npt.NDArray[np.bool_]:
    degrees = np.bincount(users)
    able = np.flatnonzero(degrees >= user_core)
    if most_users is None or len(able) <= most_users:
        return np.ones(len(users), dtype=bool)
    chosen = np.random.default_rng(_SEED).choice(able, most_users, replace=False)
    member = np.zeros(len(degrees), dtype=bool)
    member[chosen] = True
    return member[users]


def k_core(users: Ids, items: Ids, user_core: int, item_core: int) -> npt.NDArray[np.bool_]:
    """Mark the pairs whose user and item both keep enough positives, again and again until nobody goes."""
    kept = np.ones(len(users), dtype=bool)
    while kept.any():
        enough_users = np.bincount(users[kept], minlength=_size(users)) >= user_core
        enough_items = np.bincount(items[kept], minlength=_size(items)) >= item_core
        still = kept & enough_users[users] & enough_items[items]
        if still.sum() == kept.sum():
            break
        kept = still
    return kept


def _size(codes: Ids | Sequence[int]) -> int:
    return int(np.max(codes, initial=-1)) + 1


MOST_ROWS = 2_000_000
"""Rows that are read at most, for a measure of a large file."""
_KEPT = ("user_id", "item_id", "rating", "timestamp")
_HALF = 0.5
_UNWANTED: Final = ("event ", "quantity is 0 or less", HEADER_AGAIN)
_VALUES: Final = ("rating", "timestamp", "review")
"""What of a row may have no value while the row stays: the first word of the reason."""
_STAYS: Final = ("so it is missing", "outside rating_range", "outside time_range", "review has a NUL character")


@dataclass(frozen=True)
class Measured:
    """What was read.

    Attributes
    ----------
    rows
        Interactions: columns user_id, item_id, rating, timestamp.
    lines, bad
        Lines read, and those among them that are unusable.
    reasons
        How many lines were left out for what reason.
    complete
        All of the source was read.
    """

    rows: pa.Table
    lines: int
    bad: int
    reasons: Mapping[str, int]
    complete: bool

    @property
    def bad_share(self) -> float:
        """Share of the lines that are unusable, 0 to 1."""
        return self.bad / self.lines if self.lines else 0.0

    @property
    def worst(self) -> str:
        """The most frequent reason for which lines can't be used; '' where all can."""
        return next((why for why, _ in _of_bad_lines(self.reasons)), "")

    @property
    def unwanted(self) -> int:
        """Lines that can be read, but are other events, returns, or the line of names again."""
        return sum(count for why, count in self.reasons.items() if why.startswith(_UNWANTED))


@dataclass(frozen=True)
class ItemsSeen:
    """What the item files say of some items, and how many items they describe."""

    by_id: Mapping[str, Mapping[str, Any]]
    items: int
    bad_share: float
    reasons: Mapping[str, int]


def parsed_source(tree: Mapping[str, Any]) -> Any:  # noqa: ANN401  the union of all sources
    """Validate a section ``source``, and let every bad line pass, so that all are counted."""
    given = {"split": {"method": "given"}} if "test_path" in tree.get("interactions", {}) else {}
    run = {"name": "init", "workspace": "init", "source": dict(tree), "prepare": given}
    source = Config.model_validate(run).source
    return source.model_copy(update={"max_bad_share": 1.0})


def measure(tree: Mapping[str, Any]) -> Measured:
    """Read up to two million interactions.

    Raises
    ------
    InputError
        When a file is damaged, or most of its lines can't be used.
    """
    rejects, parts, complete = Rejects(), [], True
    for batch in read_interactions(parsed_source(tree), rejects):
        parts.append(batch.select(_KEPT))
        if sum(part.num_rows for part in parts) >= MOST_ROWS:
            complete = False
            break
    if not parts or rejects.bad > _HALF * rejects.lines:
        reason, count = next(iter(_of_bad_lines(rejects.by_reason)), ("there is none", 0))
        raise InputError(
            f"{rejects.bad} of {rejects.lines} interactions can't be read (most: {reason}, {count}); say what the "
            "columns are with --user, --item, --rating, --time"
        )
    return Measured(pa.concat_tables(parts), rejects.lines, rejects.bad, dict(rejects.by_reason), complete)


def _of_bad_lines(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the reasons for which lines can't be used, the most frequent first."""
    bad = [(why, count) for why, count in reasons.items() if not why.startswith(_UNWANTED) and _value_of(why) is None]
    return sorted(bad, key=lambda one: -one[1])


def allowed_share(*shares: float) -> float | None:
    """Return the share of bad lines to allow: none while the default suffices, else a fifth more than measured."""
    return None if max(shares) <= 0.01 else min(1.0, math.ceil(max(shares) * 120) / 100)


def positives(measured: Measured, min_rating: float | None) -> pa.Table:
    """Return the rows whose rating makes them positives; of a pair that is there again the last rating decides."""
    if min_rating is None:
        return measured.rows
    liked = measured.rows.filter(pc.greater_equal(measured.rows["rating"], pa.scalar(min_rating, pa.float32())))
    if measured.rows["timestamp"].null_count == measured.rows.num_rows:
        return liked
    rated = measured.rows.filter(pc.is_valid(measured.rows["rating"]))
    pair = ["user_id", "item_id"]
    last = rated.group_by(pair).aggregate([("timestamp", "max")])
    kept = liked.join(last, pair, join_type="inner")
    again = pc.or_kleene(pc.equal(kept["timestamp"], kept["timestamp_max"]), pc.is_null(kept["timestamp_max"]))
    kept = kept.filter(pc.fill_null(again, False))  # noqa: FBT003
    return kept.select(measured.rows.column_names)


def core_of(measured: Measured, min_rating: float | None, most_users: int | None) -> Core | None:
    """Choose a k-core; None when no row is a positive."""
    rows = positives(measured, min_rating)
    if not rows.num_rows:
        return None
    coded = [rows[name].combine_chunks().dictionary_encode() for name in ("user_id", "item_id")]
    users, items = (one.indices.to_numpy(zero_copy_only=False).astype(np.int64) for one in coded)
    pairs = np.unique(users * (int(items.max()) + 1) + items)
    return choose_core(*np.divmod(pairs, int(items.max()) + 1), most_users)


def look_up(tree: Mapping[str, Any], wanted: list[str]) -> ItemsSeen:
    """Read what the item files say of some items."""
    rejects, count = Rejects(), 0
    found: dict[str, Mapping[str, Any]] = {}
    for batch in read_items(parsed_source(tree), rejects):
        count += batch.num_rows
        hits = batch.filter(pc.is_in(batch["item_id"], value_set=pa.array(wanted, pa.string())))
        found |= {row["item_id"]: row for row in hits.to_pylist()}
    return ItemsSeen(found, count, rejects.bad / max(1, rejects.lines), dict(rejects.by_reason))


WARNED_SHARE: Final = 0.2
"""Share above which what is left out is warned about."""


@dataclass(frozen=True)
class Loss:
    """One kind of thing that is left out.

    Attributes
    ----------
    what
        Rows, values, columns or files, and of which file.
    count, of
        How many, and of how many; ``of`` is 0 where that is no share of anything.
    why
        The reason.
    instead
        What to type, or to do, to have it otherwise.
    warned
        A share above 20% is worth a warning.
    """

    what: str
    count: int
    of: int
    why: str
    instead: str
    warned: bool = True


_INSTEAD: Final = {
    "duplicate": "the first row of an item counts: put the best first",
    "event": "--events A,B names the kinds that count",
    "quantity": "remove columns.quantity from the configuration",
    "rating": "--rating COLUMN, or mend the file",
    "timestamp": "--time COLUMN --time-format FORMAT, or mend the file",
    "user": "--user COLUMN, or mend the file",
    "item": "--item COLUMN, or mend the file",
    "number of fields": "mend the lines, or their quotes",
    HEADER_AGAIN: "nothing: it is the line of names",
}


def losses_of(found: Understanding, measured: Measured, seen: ItemsSeen, core: Core) -> list[Loss]:
    """List all that is left out, rows first."""
    rows = {why: count for why, count in measured.reasons.items() if _value_of(why) is None}
    described = {} if _describe_themselves(found) else seen.reasons
    return [
        *(Loss("interactions", count, measured.lines, why, _instead(why)) for why, count in rows.items()),
        *_missing(found, measured),
        *_of_positives(found, measured, core),
        *(Loss("items", count, 0, why, _instead(why)) for why, count in described.items()),
        *_unused(found),
    ]


def _instead(why: str) -> str:
    return next((told for start, told in _INSTEAD.items() if start in why), "mend the lines")


def _value_of(why: str) -> str | None:
    """Name the value that a reason leaves out while its row stays; None where the row goes."""
    return next((role for role in _VALUES if why.startswith(role)), None) if why.endswith(_STAYS) else None


def _describe_themselves(found: Understanding) -> bool:
    """Tell whether the interactions describe their items: that an item comes again is then no loss."""
    paths = [found.source.get(section, {}).get("path") for section in ("items", "interactions")]
    return paths[0] is not None and paths[0] == paths[1]


def _missing(found: Understanding, measured: Measured) -> list[Loss]:
    """Count the rows without a rating, a time or a review, where the files have a column of them, each once."""
    columns = found.source.get("interactions", {}).get("columns", {})
    rows = measured.rows.num_rows
    nulls = {role: measured.rows[role].null_count for role in ("rating", "timestamp") if columns.get(role)}
    told = {"rating": "a row without a rating is no positive", "timestamp": "a row without a time"}
    valued = [(role, why, count) for why, count in measured.reasons.items() if (role := _value_of(why))]
    lost = []
    for role, count in nulls.items():
        why = "; ".join([told[role], *(f"{count:,} {why}" for value, why, count in valued if value == role)])
        lost += [Loss(f"values of {columns[role]}", count, rows, why, _INSTEAD[role])] if count else []
    return lost + [
        Loss("reviews", count, rows, why, "mend the file") for role, why, count in valued if role == "review"
    ]


def _of_positives(found: Understanding, measured: Measured, core: Core) -> list[Loss]:
    liked = positives(measured, found.min_rating)
    rows = measured.rows.num_rows
    below = rows - liked.num_rows - (measured.rows["rating"].null_count if found.min_rating is not None else 0)
    counts = liked.group_by(["user_id", "item_id"]).aggregate([([], "count_all")])["count_all"]
    pairs = len(counts)
    repeats = liked.num_rows - pairs
    again = pc.sum(pc.greater(counts, 1)).as_py()
    losses = [
        Loss("rows", below, rows, f"rated below {found.min_rating:g}", "prepare.min_rating", warned=False)
        if found.min_rating is not None
        else None,
        Loss("repeats", repeats, 0, f"repeats of {again:,} pairs of user and item: a pair counts once", _REPEATS)
        if repeats
        else None,
    ]
    if not found.given and core.positives:
        of = core.sampled or pairs
        told = (
            f"the k-core: users with fewer than {core.user_core} and items with fewer than {core.item_core} positives"
        )
        losses.append(Loss("positives", of - core.positives, of, told, "prepare.user_core, prepare.item_core"))
    return [loss for loss in losses if loss is not None and loss.count > 0]


_REPEATS: Final = "prepare.repeats: weight lets each count"
_FEW_LIKED, _MANY_LIKED = 0.05, 0.97


def odd_threshold(found: Understanding, measured: Measured) -> list[str]:
    """Warn of a threshold that nearly none or nearly all ratings reach, unless no other would tell them apart."""
    rated = measured.rows["rating"].drop_null()
    if found.min_rating is None or not len(rated):
        return []
    share = pc.mean(pc.greater_equal(rated, pa.scalar(found.min_rating, pa.float32()))).as_py()
    if _FEW_LIKED <= share <= _MANY_LIKED or (len(rated.unique()) == 2 and 0 < share < 1):
        return []
    span = f"{pc.min(rated).as_py():g} to {pc.max(rated).as_py():g}"
    told = f"{share:.1%} of the rated rows are positives, rated {found.min_rating:g} or more of {span}"
    return [f"{told}: that threshold looks wrong; set prepare.min_rating"]


def _unused(found: Understanding) -> list[Loss]:
    """List files that are not used one by one, and columns by their reason."""
    files = [use for use in found.uses if use.role == LEFT and not use.column]
    columns = Counter((use.file, use.why) for use in found.uses if use.role == LEFT and use.column)
    names = {
        key: ", ".join(use.column for use in found.uses if (use.file, use.why) == key and use.role == LEFT)
        for key in columns
    }
    told = "name it in the configuration's columns"
    return [
        *(Loss(f"file {use.file}", 1, 0, use.why, "--interactions FILE, or name other files") for use in files),
        *(
            Loss(f"columns of {file}: {names[file, why]}", count, 0, why, told)
            for (file, why), count in columns.items()
        ),
    ]


def warnings_of(losses: Sequence[Loss]) -> list[str]:
    """Put what is left out into sentences where it is more than a fifth."""
    return [
        f"{loss.count / loss.of:.0%} of the {loss.what} are left out ({loss.count:,} of {loss.of:,}): {loss.why}; to "
        f"change it: {loss.instead}"
        for loss in losses
        if loss.warned and loss.of and loss.count > WARNED_SHARE * loss.of
    ]
