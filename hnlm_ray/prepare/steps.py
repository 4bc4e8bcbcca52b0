"""Raw interactions to the tables users, items, interactions and reviews, on Ray.

Rows stay in the object store and move between workers, ids as integers. The driver holds what is proportional to
users plus items: the vocabulary, who stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import PrepareConfig
from hnlm_ray.prepare import blocks, index, kcore, split, tasks
from hnlm_ray.prepare.ranges import Ranges, Refs, unique_pairs
from hnlm_ray.prepare.raw_parts import RawPart
from hnlm_ray.prepare.workers import Workers
from hnlm_ray.workspace.tables import SPLITS


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
    first = _candidates(ranges, config, seed, workers)
    counts |= {"users_before": len(ranges.user_ids), "items_before": len(ranges.item_ids)}
    counts["users_not_sampled"] = len(ranges.user_ids) - int(first.users.sum())
    members = _members(ranges, first, config, workers, counts)
    _check_left(members, config, counts)
    user_table = index.user_table(ranges.user_ids.filter(pa.array(members.users)))
    item_table = index.item_table(ranges.item_ids.filter(pa.array(members.items)), items)
    item_keys = split.id_keys(item_table["item_id"].to_pylist(), seed, "item")
    numbering = blocks.Numbering(index.dense(members.items), item_keys, seed, config)
    buckets = _buckets(ranges, ranges.kept_users(members.users), numbering, workers, counts)
    counts |= {"users": user_table.num_rows, "items": item_table.num_rows}
    counts["items_without_title"] = item_table["title"].null_count
    return Prepared(user_table, item_table, buckets, counts)


def _candidates(ranges: Ranges, config: PrepareConfig, seed: int, workers: Workers) -> kcore.Members:
    """Return everybody, or a sample of the users who have enough positives at all."""
    users, items = len(ranges.user_ids), len(ranges.item_ids)
    everybody = kcore.Members(np.ones(users, dtype=bool), np.ones(items, dtype=bool))
    if config.max_users is None:
        return everybody
    counted = [workers.submit(tasks.degrees, *one, everybody.items) for one in ranges.each()]
    eligible = np.concatenate(ray.get(counted)) >= config.user_core
    return kcore.Members(_sample(ranges.user_ids, eligible, config.max_users, seed), everybody.items)


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
    counts["dropped_by_sample_and_kcore"] = _positives(counts) - counts["interactions"] - left_out
    filled = min(numbering.config.buckets, sum(len(users.ids) for users in kept))
    return [(bucket, [pieces[1 + bucket] for pieces in done]) for bucket in range(filled)]


def _positives(counts: dict[str, int]) -> int:
    dropped = ("below_rating", "outside_window", "duplicates")
    return counts["rows"] - sum(counts.get(name, 0) for name in dropped)


def _check_left(members: kcore.Members, config: PrepareConfig, counts: dict[str, int]) -> None:
    users, items = int(members.users.sum()), int(members.items.sum())
    if users >= 2 and items >= 2:
        return
    raise InputError(
        f"{users} users and {items} items are left, but two of each are needed: of {counts['rows']} rows "
        f"{counts['below_rating']} were below prepare.min_rating, {counts['outside_window']} outside prepare.since/"
        f"until, {counts.get('duplicates', 0)} duplicates; of the {_positives(counts)} positives of "
        f"{counts['users_before']} users and {counts['items_before']} items the k-core (user_core {config.user_core}, "
        f"item_core {config.item_core}) left too few; lower prepare.user_core, prepare.item_core or "
        "prepare.min_rating, or widen the window"
    )
