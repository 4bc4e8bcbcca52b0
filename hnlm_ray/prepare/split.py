"""Each user's positives to train, validation and test; the same whatever the order of the rows.

Chance comes from hashes of (seed, user id, item id), never from a generator that rows pass through.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import SplitConfig

TRAIN, VALIDATION, TEST = 0, 1, 2
"""Codes of the splits: places in ``tables.SPLITS``."""
LEFT_OUT = 3
"""Code of a training row that ``prepare.split.train_share`` takes away."""

Keys = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.int8]
Integers = npt.NDArray[np.int64]


def id_keys(ids: Iterable[str], seed: int, kind: Literal["user", "item"]) -> Keys:
    """Hash ids with the seed: BLAKE2b, 8 bytes, the same on every machine."""
    key, person = seed.to_bytes(8, "little"), kind.encode()
    digests = (hashlib.blake2b(text.encode(), digest_size=8, key=key, person=person).digest() for text in ids)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def pair_keys(user_keys: Keys, item_keys: Keys) -> Keys:
    """Mix the keys of each row's user and item (splitmix64)."""
    return _splitmix64(user_keys + _splitmix64(item_keys))


@dataclass(frozen=True)
class Cuts:
    """A split by time: rows from ``test`` on (seconds) test, earlier ones from ``validation`` on validate."""

    validation: int
    test: int

    def of(self, times: Integers) -> Codes:
        """Return the split of rows with these times."""
        codes = np.where(times >= self.test, TEST, np.where(times >= self.validation, VALIDATION, TRAIN))
        return codes.astype(np.int8)


@dataclass(frozen=True)
class Rules:
    """The method and its shares, where the cuts of a split by time are, and whether validation rows were given."""

    config: SplitConfig
    cuts: Cuts | None = None
    given_validation: bool = False


def assign(  # noqa: PLR0917 - one array a column, in the order of the table
    users: npt.NDArray[np.int32],
    items: npt.NDArray[np.int32],
    keys: Keys,
    timestamps: Integers,
    given: Codes,
    rules: Rules,
) -> Codes:
    """Return the split of each row; the rows hold all positives of their users.

    Parameters
    ----------
    users, items
        Dense indices, one pair a row.
    keys
        :func:`pair_keys` of each row.
    timestamps
        Seconds; looked at by leave_last_out and time only.
    given
        The split that the source put the row into; looked at by given only.
    rules
        The method.

    Notes
    -----
    random
        ``floor(n * share + 0.5)`` rows of a user with n, test first; one row always trains.
    leave_last_out
        The last by (timestamp, item) tests if n >= 2; the one before validates if n >= 3 and the share
        of validation is not 0.
    given
        As the source says; where it has no validation rows, they are drawn from the user's training rows, of which
        one stays.
    time
        By the cuts, which are the same for all users.

    With a ``train_share`` below 1, ``floor(n * share + 0.5)`` of a user's n training rows stay, one at least; the
    others are LEFT_OUT. Those of a smaller share are among those of a larger one; no held-out row changes.
    """
    codes = _assigned(users, items, keys, timestamps, given, rules)
    return _thinned(users, items, keys, codes, rules.config.train_share)


def _assigned(  # noqa: PLR0917 - as above
    users: npt.NDArray[np.int32],
    items: npt.NDArray[np.int32],
    keys: Keys,
    timestamps: Integers,
    given: Codes,
    rules: Rules,
) -> Codes:
    config = rules.config
    if rules.cuts is not None:
        return rules.cuts.of(timestamps)
    if config.method == "leave_last_out":
        rank, count = _rank_in_user(users, (items, timestamps))
        return _last_out(count - 1 - rank, count, config)
    if config.method == "random":
        rank, count = _rank_in_user(users, (items, keys))
        return _shares(rank, count, test=config.test, validation=config.validation)
    if rules.given_validation:
        return given.astype(np.int8)
    trains, codes = given == TRAIN, np.full(len(users), TEST, dtype=np.int8)
    rank, count = _rank_in_user(users[trains], (items[trains], keys[trains]))
    codes[trains] = _shares(rank, count, test=0.0, validation=config.validation)
    return codes


def _thinned(
    users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], keys: Keys, codes: Codes, share: float
) -> Codes:
    """Mark the training rows that are left out: by keys of their own, for the split goes by the others."""
    trains = codes == TRAIN
    if share == 1:
        return codes
    rank, count = _rank_in_user(users[trains], (items[trains], _splitmix64(keys[trains])))
    left_out = rank >= np.maximum(1, np.floor(count * share + 0.5))
    thinned = codes.copy()
    thinned[np.flatnonzero(trains)[left_out]] = LEFT_OUT
    return thinned


def _rank_in_user(
    users: npt.NDArray[np.int32], order: tuple[npt.NDArray[np.generic], npt.NDArray[np.int64 | np.uint64]]
) -> tuple[Integers, Integers]:
    """Return each row's place among its user's rows (last key of ``order`` first), and their number."""
    by_user = _sorted_places(users, *order)
    ordered = users[by_user]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(users)])
    counts = np.diff(np.append(starts, len(users)))
    rank, count = np.empty(len(users), np.int64), np.empty(len(users), np.int64)
    rank[by_user] = np.arange(len(users)) - np.repeat(starts, counts)
    count[by_user] = np.repeat(counts, counts)
    return rank, count


def _sorted_places(
    users: npt.NDArray[np.int32], items: npt.NDArray[np.generic], keys: npt.NDArray[np.int64 | np.uint64]
) -> Integers:
    """Return what ``np.lexsort((items, keys, users))`` does, some ten times as fast.

    The user and the leading bits of the key fit into one integer, and one sort of integers orders most rows; those
    that tie are sorted by all three.
    """
    if not len(users):
        return np.empty(0, np.int64)
    above = keys.astype(np.uint64) - keys.min().astype(np.uint64)  # in 64 bits also where keys are negative
    user_bits, key_bits = int(users.max()).bit_length(), int(above.max()).bit_length()
    cut = max(0, user_bits + key_bits - 64)
    packed = users.astype(np.uint64) << np.uint64(key_bits - cut) | above >> np.uint64(cut)
    order = np.argsort(packed)
    ordered = packed[order]
    same = ordered[1:] == ordered[:-1]
    tied = np.append(False, same) | np.append(same, False)
    places = order[tied]
    order[tied] = places[np.lexsort((items[places], keys[places], users[places]))]
    return order


def _shares(rank: Integers, count: Integers, *, test: float, validation: float) -> Codes:
    tests = np.minimum(np.floor(count * test + 0.5), count - 1)
    validations = np.minimum(np.floor(count * validation + 0.5), count - 1 - tests)
    codes = np.where(rank < tests, TEST, np.where(rank < tests + validations, VALIDATION, TRAIN))
    return codes.astype(np.int8)


def _last_out(from_end: Integers, count: Integers, config: SplitConfig) -> Codes:
    validates = (from_end == 1) & (count >= 3) & (config.validation > 0)
    codes = np.where((from_end == 0) & (count >= 2), TEST, np.where(validates, VALIDATION, TRAIN))
    return codes.astype(np.int8)


def _splitmix64(values: Keys) -> Keys:
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


BINS: Final = 4096
"""Of a histogram of times: a few of them, each of one bin of the one before, find any row's time exactly."""
Count = Callable[[int, int], Integers]
"""From the first second and the width of the first bin in seconds: how many rows are before all bins, in each, after.
"""


@dataclass(frozen=True)
class Span:
    """Some rows: how many, and their first and last time."""

    rows: int
    first: int
    last: int


def histogram(times: Integers, first: int, width: int) -> Integers:
    """Count times before, in and after :data:`BINS` bins of ``width`` seconds from ``first`` on: int64[BINS + 2]."""
    places = np.clip((times - first) // width, -1, BINS)
    return np.bincount(places + 1, minlength=BINS + 2)


def joined_span(spans: Iterable[Span]) -> Span:
    """Return the span of the rows of several."""
    filled = [span for span in spans if span.rows]
    if not filled:
        return Span(0, 0, 0)
    rows = sum(span.rows for span in filled)
    return Span(rows, min(span.first for span in filled), max(span.last for span in filled))


def span_of(times: Integers) -> Span:
    """Return the span of rows with these times."""
    return Span(len(times), int(times.min()), int(times.max())) if len(times) else Span(0, 0, 0)


def find_cuts(span: Span, count: Count, config: SplitConfig) -> Cuts:
    """Find where test and validation begin: on the day that is asked for, else by the share of all rows.

    Of a share ``floor(n * share + 0.5)`` of the n rows, the last ones, are wanted. Rows of one time fall on one side:
    as many as come nearest, of equally near ones the fewer, and never all.

    Parameters
    ----------
    span
        Of all rows.
    count
        Their histogram, asked for a few times: memory does not grow with the rows.
    config
        The shares or days.
    """
    if config.test_from is not None:
        test = _midnight(config.test_from)
        before = int(count(test, 1)[0])
    else:
        test, before = _cut(span, span.rows, count, int(np.floor(span.rows * config.test + 0.5)))
    if config.validation_from is not None:
        return Cuts(_midnight(config.validation_from), test)
    wanted = min(before, int(np.floor(span.rows * config.validation + 0.5)))
    validation, _ = _cut(span, before, count, wanted)
    return Cuts(min(validation, test), test)


def _cut(span: Span, rows: int, count: Count, wanted: int) -> tuple[int, int]:
    """Return the time from which about the last ``wanted`` of the first ``rows`` rows are, and the rows before it."""
    if not wanted or not rows:
        return span.last + 1, rows
    time_there, before, at = _row_of_rank(span, count, rows - wanted)
    more, fewer = rows - before - wanted, wanted - (rows - before - at)
    return (time_there, before) if before and more < fewer else (time_there + 1, before + at)


def _row_of_rank(span: Span, count: Count, rank: int) -> tuple[int, int, int]:
    """Return the time of the row of a rank (0: the first), how many rows are before it, and how many have it."""
    first, width = span.first, -(-(span.last - span.first + 1) // BINS)
    while True:
        upto = np.cumsum(count(first, width))  # its first entry is of the rows before all bins
        place = int(np.searchsorted(upto, rank, side="right"))
        first += (place - 1) * width
        if width == 1:
            return first, int(upto[place - 1]), int(upto[place] - upto[place - 1])
        width = -(-width // BINS)


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


def check_held_out(counts: Mapping[str, int], config: SplitConfig) -> None:
    """Raise InputError where rows were asked for and no user has positives enough to give one.

    Told here, not by the comparison that needs them: an LLM would have worked for hours in between.
    """
    shared = config.method in {"random", "time"}
    asked = {
        "validation": config.validation > 0 or config.validation_from is not None,
        "test": not shared or config.test > 0 or config.test_from is not None,
    }
    empty = [name for name in ("validation", "test") if asked[name] and not counts[name]]
    if empty and config.method == "given" and "test" in empty:
        raise InputError("prepare.split.method is given, but no test row of the source is left; choose random")
    if empty and config.method == "time":
        raise InputError(
            f"no positive is left for {' and '.join(empty)} by prepare.split (method time): "
            f"{counts['rows_of_users_without_training']} later positives are of users and "
            f"{counts['rows_of_items_without_training']} of items without an earlier one; choose other days or shares, "
            "or another method"
        )
    if empty:
        raise InputError(
            f"no positive is left for {' and '.join(empty)}: each of the {counts['users']} users has too few for "
            f"prepare.split (method {config.method}, validation {config.validation:g}, test {config.test:g}); raise "
            "prepare.user_core or the share, or set the share to 0"
        )
