"""Raw interactions to the tables users, items, interactions and reviews, on Ray.

Rows stay in the object store and move between workers, ids as integers. The driver holds what is proportional to
users plus items: the vocabulary, who stays.

Positives by ranges of users, one row a pair: the driver's side, which holds references and not rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import PrepareConfig
from hnlm_ray.prepare import blocks, index, kcore, split, tasks
from hnlm_ray.prepare import filter as positive_filter
from hnlm_ray.prepare.duplicates import Repeats
from hnlm_ray.prepare.tasks import RawPart, Workers
from hnlm_ray.workspace.tables import SPLITS

Refs = list[ray.ObjectRef]
_RANGE_BYTES = 32 * 2**20
"""Of the rows of a range, duplicates included: a task holds a few times as much."""


@dataclass(frozen=True)
class Ranges:
    """All pairs, and the vocabulary that their codes are of.

    Attributes
    ----------
    user_ids, item_ids
        The vocabulary, in the order of the ids' bytes.
    bounds
        Code of the first user of each range, and the number of users.
    pairs
        Each range's rows, sorted by (user, item): columns of :func:`hnlm_ray.prepare.blocks.encode`.
    given_validation
        Some rows came as validation rows.
    """

    user_ids: pa.Array
    item_ids: pa.Array
    bounds: npt.NDArray[np.int64]
    pairs: Refs
    given_validation: bool

    def each(self) -> list[tuple[ray.ObjectRef, int, int]]:
        """Return each range's rows, its first user and its end."""
        firsts, ends = self.bounds[:-1].tolist(), self.bounds[1:].tolist()
        return list(zip(self.pairs, firsts, ends, strict=True))

    def kept_users(self, stay: kcore.Mask) -> list[blocks.KeptUsers]:
        """Return who stays of each range, given by a mask over all users."""
        number, kept = 0, []
        for _, first, end in self.each():
            ids = self.user_ids.slice(first, end - first).filter(pa.array(stay[first:end]))
            kept.append(blocks.KeptUsers(first, end, stay[first:end], ids, number))
            number += len(ids)
        return kept


def unique_pairs(parts: Sequence[RawPart], config: PrepareConfig, workers: Workers, counts: dict[str, int]) -> Ranges:
    """Read the positives, number their ids, and bring the rows of each range of users together, one a pair.

    Raises
    ------
    InputError
        When a rule asks for values that the rows don't have.
    """
    encoded = [workers.submit(tasks.encode, part, config, returns=2) for part in parts]
    found: list[blocks.Found] = list(workers.phase([note for note, _ in encoded]))
    tally = positive_filter.total(note.tally for note in found)
    positive_filter.check(tally, config)
    counts |= {"rows": tally.rows, "below_rating": tally.below_rating, "outside_window": tally.outside_window}
    counts |= {"without_rating": tally.unrated} if tally.unrated else {}
    user_ids, users = blocks.vocabulary([note.users for note in found])
    item_ids, items = blocks.vocabulary([note.items for note in found])
    bounds = _bounds(len(user_ids), sum(note.bytes for note in found))
    scattered = _scattered([rows for _, rows in encoded], users, items, bounds, workers)
    del encoded
    pairs = _unique(scattered, config, workers, counts)
    return Ranges(user_ids, item_ids, bounds, pairs, given_validation=tally.given_validation > 0)


def _bounds(users: int, size: int) -> npt.NDArray[np.int64]:
    """Cut the users into ranges of as many users each."""
    ranges = min(max(1, -(-size // _RANGE_BYTES)), max(1, users))
    return np.linspace(0, users, ranges + 1).astype(np.int64)


def _scattered(
    rows: Refs, users: list[blocks.Codes], items: list[blocks.Codes], bounds: npt.NDArray[np.int64], workers: Workers
) -> list[Refs]:
    """Divide each part by ranges; return the pieces of each part."""
    ranges = len(bounds) - 1
    pieces = [
        workers.submit(tasks.scatter, part, *codes, bounds, returns=ranges)
        for part, *codes in zip(rows, users, items, strict=True)
    ]
    return [piece if ranges > 1 else [piece] for piece in pieces]


def _unique(scattered: list[Refs], config: PrepareConfig, workers: Workers, counts: dict[str, int]) -> Refs:
    joined = []
    while scattered[0]:  # the last reference to a piece goes with its task, and with it the piece's memory
        pieces = [pieces.pop(0) for pieces in scattered]
        joined.append(workers.submit(tasks.unique, config, *pieces, returns=2))
        del pieces
    found: list[Repeats] = list(workers.phase([note for note, _ in joined]))
    total = {field.name: sum(getattr(one, field.name) for one in found) for field in fields(Repeats)}
    # Of a pair that was taken back one positive is counted as such, and those beyond it as repeats.
    counts |= {"repeats": total["rows"], "repeated_pairs": total["pairs"], "taken_back": total["taken_back"]}
    if config.split.method == "given":
        counts |= {name: total[name] for name in ("in_train_and_test", "in_validation_too")}
    return [rows for _, rows in joined]


@dataclass(frozen=True)
class Prepared:
    """What the stage made.

    Attributes
    ----------
    users, items
        The tables of these names; every item that stays has a row.
    buckets
        Of each bucket (user % config.buckets) that has rows its number and references to its pieces:
        :func:`hnlm_ray.prepare.blocks.join` makes them its parts of ``interactions`` and ``reviews``. They stay on
        the workers: join them there.
    counts
        Rows in and what became of them.
    """

    users: pa.Table
    items: pa.Table
    buckets: list[tuple[int, Refs]]
    counts: dict[str, int]


def prepare(
    parts: Sequence[RawPart], items: index.RawItems, config: PrepareConfig, seed: int, workers: Workers
) -> Prepared:
    """Filter, deduplicate, sample, take the k-core, number and split.

    The tables have the same bytes whatever the number of parts and the order of the rows.

    Parameters
    ----------
    parts
        Of ``raw_interactions``; without the column ``review`` nobody has one.
    items
        The table ``raw_items``; ids that no interaction names are left out.
    config
        The rules.
    seed
        Of the sample of users and of the split.
    workers
        Where the tasks run.

    Raises
    ------
    InputError
        When a rule asks for values that the rows don't have, or fewer than two users or items stay.
    """
    counts: dict[str, int] = {}
    ranges = unique_pairs(parts, config, workers, counts)
    first = _candidates(ranges, config, seed, workers, counts)
    counts |= {"users_before": len(ranges.user_ids), "items_before": len(ranges.item_ids)}
    counts["users_not_sampled"] = len(ranges.user_ids) - int(first.users.sum())
    members = _members(ranges, first, config, workers, counts)
    _check_left(members, config, counts)
    cuts, members = _cut_by_time(ranges, members, config, workers, counts)
    user_table = index.user_table(ranges.user_ids.filter(pa.array(members.users)))
    item_table = index.item_table(ranges.item_ids.filter(pa.array(members.items)), items)
    item_keys = split.id_keys(item_table["item_id"].to_pylist(), seed, "item")
    given = ranges.given_validation
    numbering = blocks.Numbering(index.dense(members.items), item_keys, seed, config, cuts, given_validation=given)
    buckets = _buckets(ranges, ranges.kept_users(members.users), numbering, workers, counts)
    counts |= {"users": user_table.num_rows, "items": item_table.num_rows}
    counts["items_without_title"] = item_table["title"].null_count
    return Prepared(user_table, item_table, buckets, counts)


def _candidates(
    ranges: Ranges, config: PrepareConfig, seed: int, workers: Workers, counts: dict[str, int]
) -> kcore.Members:
    """Return everybody, or a sample of the users who have enough positives at all."""
    users, items = len(ranges.user_ids), len(ranges.item_ids)
    everybody = kcore.Members(np.ones(users, dtype=bool), np.ones(items, dtype=bool))
    if config.max_users is None:
        return everybody
    counted = ray.get([workers.submit(tasks.degrees, *one, everybody.items) for one in ranges.each()])
    degrees, rows = (np.concatenate(column) for column in zip(*counted, strict=True))
    eligible = degrees >= config.user_core
    chosen = _sample(ranges.user_ids, eligible, config.max_users, seed)
    counts["dropped_by_sample"] = int(rows[eligible & ~chosen].sum())
    return kcore.Members(chosen, everybody.items)


def _sample(user_ids: pa.Array, eligible: kcore.Mask, size: int, seed: int) -> kcore.Mask:
    """Mark the eligible users with the smallest hashes: the same ones whatever else is in the data."""
    places = np.flatnonzero(eligible)
    keys = split.id_keys(user_ids.take(pa.array(places)).to_pylist(), seed, "user")
    chosen = np.zeros(len(user_ids), dtype=bool)
    chosen[places[np.lexsort((places, keys))[:size]]] = True
    return chosen


def _members(
    ranges: Ranges, first: kcore.Members, config: PrepareConfig, workers: Workers, counts: dict[str, int]
) -> kcore.Members:
    """Repeat rounds until the k-core is stable."""
    items = first.items
    counts["kcore_rounds"] = 0
    while True:
        counts["kcore_rounds"] += 1
        shared = ray.put(items)
        rounds = [
            workers.submit(tasks.users_round, pairs, start, first.users[start:end], shared, config)
            for pairs, start, end in ranges.each()
        ]
        stay, degrees = kcore.joined(_one_by_one(rounds), len(items))
        smaller = degrees >= config.item_core
        if np.array_equal(smaller, items):
            return kcore.Members(stay, items)
        items = smaller


def _cut_by_time(
    ranges: Ranges, members: kcore.Members, config: PrepareConfig, workers: Workers, counts: dict[str, int]
) -> tuple[split.Cuts | None, kcore.Members]:
    """Find the moments of a split by time, and leave out who and what has nothing to train on: it can't be tested."""
    if config.split.method != "time":
        return None, members
    each = _Staying(ranges, members, workers)
    span = split.joined_span(each.run(tasks.span))
    cuts = split.find_cuts(
        span, lambda begin, width: np.sum(each.run(tasks.histogram, begin, width), axis=0), config.split
    )
    parts = each.run(tasks.trained, min(cuts.validation, cuts.test))
    left = kcore.Members(np.concatenate([users for users, _ in parts]), np.any([items for _, items in parts], axis=0))
    counts |= _untrained(ranges, members, left, workers)
    users, items = int(left.users.sum()), int(left.items.sum())
    if min(users, items) < 2:
        raise InputError(
            f"prepare.split (method time) leaves {users} users and {items} items with positives to train on, and two "
            "of each are needed; choose later days or smaller shares of validation and test"
        )
    return cuts, left


class _Staying:
    """Runs a task on the pairs that stay of each range."""

    def __init__(self, ranges: Ranges, members: kcore.Members, workers: Workers) -> None:
        self.ranges, self.members, self.workers = ranges, members, workers
        self.items = ray.put(members.items)

    def run(self, task: Any, *more: int) -> list[Any]:  # noqa: ANN401 - Ray's tasks are untyped
        """Return the task's result of each range."""
        started = [
            self.workers.submit(task, pairs, start, self.members.users[start:end], self.items, *more)
            for pairs, start, end in self.ranges.each()
        ]
        found: list[Any] = ray.get(started)
        return found


def _untrained(ranges: Ranges, before: kcore.Members, after: kcore.Members, workers: Workers) -> dict[str, int]:
    """Count the users and items that have nothing to train on, and their pairs."""
    gone = {"users": before.users & ~after.users, "items": before.items & ~after.items}
    counts = Counter({f"{name}_without_training": int(mask.sum()) for name, mask in gone.items()})
    items = ray.put(before.items), ray.put(after.items)
    started = [
        workers.submit(tasks.untrained, pairs, start, before.users[start:end], after.users[start:end], *items)
        for pairs, start, end in ranges.each()
    ]
    for note in ray.get(started):
        counts.update(note)
    return dict(counts)


def _one_by_one(references: Refs) -> Iterator[Any]:
    """Yield results and let go of each: its memory is freed with its last reference."""
    while references:
        yield ray.get(references.pop(0))


def _buckets(
    ranges: Ranges,
    kept: list[blocks.KeptUsers],
    numbering: blocks.Numbering,
    workers: Workers,
    counts: dict[str, int],
) -> list[tuple[int, Refs]]:
    """Return references to the pieces of each bucket that has any rows."""
    shared, returns = ray.put(numbering), 1 + numbering.config.buckets
    done = [  # the last reference to a range's rows goes with its task, and with it their memory
        workers.submit(tasks.number_and_split, ranges.pairs.pop(0), users, shared, returns=returns) for users in kept
    ]
    notes = list(workers.phase([note for note, *_ in done]))
    counts |= {name: sum(note[name] for note in notes) for name in SPLITS}
    counts["interactions"] = sum(counts[name] for name in SPLITS)
    left_out = sum(note[blocks.LEFT_OUT] for note in notes)
    counts |= {blocks.LEFT_OUT: left_out} if left_out else {}
    untrained = sum(counts.get(f"rows_of_{name}_without_training", 0) for name in ("users", "items"))
    counts["dropped_by_sample_and_kcore"] = _positives(counts) - counts["interactions"] - left_out - untrained
    filled = min(numbering.config.buckets, sum(len(users.ids) for users in kept))
    return [(bucket, [pieces[1 + bucket] for pieces in done]) for bucket in range(filled)]


def _positives(counts: dict[str, int]) -> int:
    """Return how many pairs are positives."""
    dropped = ("below_rating", "without_rating", "outside_window", "repeats", "taken_back")
    return counts["rows"] - sum(counts.get(name, 0) for name in dropped)


def _check_left(members: kcore.Members, config: PrepareConfig, counts: dict[str, int]) -> None:
    users, items = int(members.users.sum()), int(members.items.sum())
    if users >= 2 and items >= 2:
        return
    sampled = counts.get("dropped_by_sample", 0) > 0
    of_sample = f" a sample of {config.max_users} of them (prepare.max_users) was taken, of which" if sampled else ""
    positives = f"{_positives(counts)} positives of {counts['users_before']} users and {counts['items_before']} items"
    more_users = "raise prepare.max_users or remove it, or " if sampled else ""
    raise InputError(
        f"{users} users and {items} items are left, but two of each are needed: of {counts['rows']} rows "
        f"{counts['below_rating']} were below prepare.min_rating{_unrated(counts)}, {counts['outside_window']} outside "
        f"prepare.since/until, {counts['repeats']} repeats of pairs{_taken_back(counts)}; of the {positives}{of_sample}"
        f" the k-core (user_core {config.user_core}, item_core {config.item_core}) left too few; {more_users}lower "
        "prepare.user_core, prepare.item_core or prepare.min_rating, or widen the window"
    )


def _taken_back(counts: dict[str, int]) -> str:
    return f", {counts['taken_back']} positives taken back by a later rating" if counts["taken_back"] else ""


def _unrated(counts: dict[str, int]) -> str:
    return f", {counts['without_rating']} without a rating" if counts.get("without_rating") else ""
