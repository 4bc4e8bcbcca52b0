"""Raw interactions to the tables users, items, interactions and reviews, on Ray.

Rows stay in the object store and move between workers. The driver holds what is proportional to users
plus items: the vocabulary, degrees, who stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import ray

from hnlm_ray.config import PrepareConfig
from hnlm_ray.errors import InputError
from hnlm_ray.prepare import blocks, index, kcore, split, tasks
from hnlm_ray.prepare import filter as positive_filter
from hnlm_ray.tables import SPLITS

if TYPE_CHECKING:
    from ray.data import Dataset

Refs = list[ray.ObjectRef]


@dataclass(frozen=True)
class Prepared:
    """What the stage made.

    Attributes
    ----------
    users, items
        The tables of these names; every item that stays has a row.
    buckets
        ``(bucket, reference to its interactions, reference to its reviews)`` with bucket = user %
        config.buckets, rows sorted by (user, item); only training rows have a review. They stay on the
        workers: write or fetch them one at a time.
    counts
        Rows in and what became of them.
    """

    users: pa.Table
    items: pa.Table
    buckets: list[tuple[int, ray.ObjectRef, ray.ObjectRef]]
    counts: dict[str, int]


def prepare(interactions: Dataset, items: pa.Table, config: PrepareConfig, seed: int) -> Prepared:
    """Filter, deduplicate, sample, take the k-core, number and split.

    The tables have the same bytes whatever the number of blocks and the order of the rows.

    Parameters
    ----------
    interactions
        Rows of ``raw_interactions``; without the column ``review`` nobody has one.
    items
        The table ``raw_items``; ids that no interaction names are left out.
    config
        The rules.
    seed
        Of the sample of users and of the split.

    Raises
    ------
    InputError
        When a rule asks for values that the rows don't have, or fewer than two users or items stay.
    """
    counts: dict[str, int] = {}
    unique = _unique_pairs(interactions, config, counts)
    user_ids, item_ids, coded = _encoded(unique, given=_given(config))
    first = _candidates(coded, user_ids, item_ids, config, seed)
    counts |= {"users_before": len(user_ids), "items_before": len(item_ids)}
    counts["users_not_sampled"] = len(user_ids) - int(first.users.sum())
    members = _members(coded, first, config, counts)
    _check_left(members, config, counts)
    users, kept_items = user_ids.filter(pa.array(members.users)), item_ids.filter(pa.array(members.items))
    numbering = blocks.Numbering(
        index.dense(members.users),
        index.dense(members.items),
        split.id_keys(users.to_pylist(), seed, "user"),
        split.id_keys(kept_items.to_pylist(), seed, "item"),
    )
    parts = _split_buckets(coded, numbering, config, counts)
    item_table = index.item_table(kept_items, items)
    counts |= {"users": len(users), "items": len(kept_items), "items_without_title": item_table["title"].null_count}
    return Prepared(index.user_table(users), item_table, parts, counts)


def _given(config: PrepareConfig) -> bool:
    return config.split.method == "given"


def _unique_pairs(interactions: Dataset, config: PrepareConfig, counts: dict[str, int]) -> Refs:
    """Return blocks of positives, one row a pair, with all rows of a user in the same block."""
    mark = partial(positive_filter.mark, config=config)
    marked = interactions.map_batches(mark, batch_format="pyarrow", batch_size=None).to_arrow_refs()
    scatter = tasks.scatter.options(num_returns=1 + config.buckets)
    scattered = [scatter.remote(block, config.buckets) for block in marked]
    tally = positive_filter.total(ray.get([notes for notes, *_ in scattered]))
    positive_filter.check(tally, config)
    counts |= {"rows": tally.rows, "below_rating": tally.below_rating, "outside_window": tally.outside_window}
    joined = [
        tasks.unique.remote(_given(config), *(pieces[1 + bucket] for pieces in scattered))
        for bucket in range(config.buckets)
    ]
    for notes in ray.get([notes for notes, _ in joined]):
        for name, value in notes.items():
            counts[name] = counts.get(name, 0) + value
    return [rows for _, rows in joined]


def _encoded(unique: Refs, *, given: bool) -> tuple[pa.Array, pa.Array, Refs]:
    """Return the vocabularies of users and items, and the blocks with codes for ids."""
    found = ray.get([tasks.ids.remote(block) for block in unique])
    user_ids = index.vocabulary(users for users, _ in found)
    item_ids = index.vocabulary(items for _, items in found)
    known = ray.put((user_ids, item_ids))
    return user_ids, item_ids, [tasks.encode.remote(block, known, given) for block in unique]


def _members(coded: Refs, first: kcore.Members, config: PrepareConfig, counts: dict[str, int]) -> kcore.Members:
    """Repeat rounds until the k-core is stable."""
    members = first
    counts["kcore_rounds"] = 0
    while True:
        counts["kcore_rounds"] += 1
        user_degrees, item_degrees = _degrees(coded, members, config)
        smaller = kcore.next_members(user_degrees, item_degrees, config.user_core, config.item_core)
        if kcore.same(members, smaller):
            return members
        members = smaller


def _degrees(coded: Refs, members: kcore.Members, config: PrepareConfig) -> tuple[kcore.Degrees, kcore.Degrees]:
    shared = ray.put(members)
    all_rows = config.item_core == 1
    counted = ray.get([tasks.count.remote(block, shared, all_rows) for block in coded])
    return kcore.add_degrees(counted, len(members.users), len(members.items))


def _candidates(coded: Refs, user_ids: pa.Array, item_ids: pa.Array, config: PrepareConfig, seed: int) -> kcore.Members:
    """Return everybody, or a sample of the users who have enough positives at all."""
    everybody = kcore.Members(np.ones(len(user_ids), dtype=bool), np.ones(len(item_ids), dtype=bool))
    if config.max_users is None:
        return everybody
    user_degrees, _ = _degrees(coded, everybody, config)
    eligible = user_degrees >= config.user_core
    return kcore.Members(_sample(user_ids, eligible, config.max_users, seed), everybody.items)


def _sample(user_ids: pa.Array, eligible: kcore.Mask, size: int, seed: int) -> kcore.Mask:
    """Mark the eligible users with the smallest hashes: the same ones whatever else is in the data."""
    places = np.flatnonzero(eligible)
    keys = split.id_keys(user_ids.take(pa.array(places)).to_pylist(), seed, "user")
    chosen = np.zeros(len(user_ids), dtype=bool)
    chosen[places[np.lexsort((places, keys))[:size]]] = True
    return chosen


def _split_buckets(
    coded: Refs, numbering: blocks.Numbering, config: PrepareConfig, counts: dict[str, int]
) -> list[tuple[int, ray.ObjectRef, ray.ObjectRef]]:
    """Return references to the interactions and reviews of each bucket that has any rows."""
    shared = ray.put(numbering)
    renumber = tasks.renumber.options(num_returns=config.buckets)
    pieces = [renumber.remote(block, shared, config.buckets) for block in coded]
    pieces = [[piece] if config.buckets == 1 else piece for piece in pieces]
    done = [tasks.split.remote(shared, config, *(piece[b] for piece in pieces)) for b in range(config.buckets)]
    notes = ray.get([note for note, *_ in done])
    counts |= {name: sum(note[name] for note in notes) for name in SPLITS}
    counts["interactions"] = sum(counts[name] for name in SPLITS)
    counts["dropped_by_sample_and_kcore"] = _positives(counts) - counts["interactions"]
    return [(b, rows, reviews) for b, (_, rows, reviews) in enumerate(done) if sum(notes[b].values())]


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
