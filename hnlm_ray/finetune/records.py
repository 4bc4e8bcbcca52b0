"""Supervision records: the mined pairs that the LLM learns from, and those it is measured on.

A record asks for a vector near ``target`` (the mined item most similar to the positive) and away from
``negatives``: the positive first, then random items. Its weight is sigma(lead), the probability that the teacher
ranks the positive above the target (the BPR likelihood, Rendle et al., 2009): how sure it is that the target is no
false negative.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import ray

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import Config, RecordsConfig
from hnlm_ray.profiles.texts import item_text, user_text
from hnlm_ray.workspace import Rows, Workspace
from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.tables import TABLES
from hnlm_ray.workspace.training_data import bucket_count, histories, rows_by_item, training_rows, user_profiles

Pair = tuple[int, int]
Row = Mapping[str, Any]
Ints = npt.NDArray[np.int64]
_REMEDY = "lower teacher.guard_margin, widen teacher.window or raise teacher.pairs_per_user"


def balanced_draw(pairs: Iterable[Pair], most: int, seed: int) -> list[tuple[int, bytes, Pair]]:
    """Draw at most ``most`` (user, item) pairs: each user's first before any user's second.

    Returns (turn, hash, pair) in the order of the draw, so that draws of parts can be merged: users must not be
    in two parts. The hash is seeded and that of the pair alone, so other pairs don't move it.
    """
    hashed = sorted((user, _hash(seed, "pair", user, item), (user, item)) for user, item in pairs)
    turns = (enumerate(own) for _, own in groupby(hashed, key=lambda one: one[0]))
    return sorted((turn, draw, pair) for own in turns for turn, (_, draw, pair) in own)[:most]


def held_out(users: Iterable[int], share: float, seed: int) -> set[int]:
    """Return the users whose seeded hash falls below ``share``; at least one, and not all.

    Raises
    ------
    InputError
        There are fewer than two users.
    """
    hashes = {user: int.from_bytes(_hash(seed, "held out", user), "big") / 2**64 for user in users}
    if len(hashes) < 2:
        raise InputError(f"supervision records of {len(hashes)} users can't be split into two groups: {_REMEDY}")
    ordered = sorted(hashes, key=lambda user: (hashes[user], user))
    chosen = sum(value < share for value in hashes.values())
    return set(ordered[: min(max(chosen, 1), len(ordered) - 1)])


def _hash(seed: int, *of: object) -> bytes:
    return hashlib.blake2b("|".join(map(str, (seed, *of))).encode(), digest_size=8).digest()


def random_items(usable: Ints, forbidden: Ints, wanted: int, draw: np.random.Generator) -> list[int]:
    """Draw ``wanted`` different items of ``usable`` that are not forbidden; fewer where there are fewer."""
    if 2 * (len(forbidden) + wanted) >= len(usable):
        left = draw.permutation(np.setdiff1d(usable, forbidden))
        return [int(item) for item in left[:wanted]]
    found: dict[int, None] = {}
    refused = set(forbidden.tolist())
    while len(found) < wanted:
        item = int(usable[draw.integers(len(usable))])
        if item not in refused:
            found[item] = None
    return list(found)


@dataclass(frozen=True)
class Known:
    """What a bucket's records are made from: rows of items and profiles by index, users' training items.

    ``usable`` are the items that have a vector, int64, rising.
    """

    items: Mapping[int, Row]
    item_profiles: Mapping[int, Row]
    user_profiles: Mapping[int, Row]
    train: Mapping[int, Sequence[int]]
    usable: Ints


def make_record(mined: Row, known: Known, teacher: str, config: RecordsConfig, seed: int) -> dict[str, Any]:
    """Return the record of a mined pair, all but its split."""
    user, item = mined["user"], mined["item"]
    forbidden = np.array([*known.train[user], *mined["negatives"]], np.int64)
    others = random_items(known.usable, forbidden, config.negatives, np.random.default_rng([seed, user, item]))
    return {
        "user": user,
        "item": item,
        "user_text": user_text(known.user_profiles.get(user), config.user_chars),
        "item_text": item_text(known.items[item], known.item_profiles.get(item), config.item_chars),
        "target": mined["negatives"][0],
        "negatives": [item, *others],
        "weight": 1 / (1 + math.exp(-mined["leads"][0])),
        "provenance": f"{teacher} rank {mined['ranks'][0]}",
    }


def make_records(run: StageRun) -> Outcome:
    """Stage: mined_negatives, interactions (training rows), items, profiles, teacher_items -> supervision_records.

    Buckets are worked on by tasks. The driver holds at most ``records.most`` pairs a bucket while it draws, then
    at most ``records.most`` records, which it sorts by (user, item) into one part.

    Raises
    ------
    InputError
        No pair has a mined negative, or only one user has any.
    """
    config, workspace = run.config, run.workspace
    buckets = bucket_count(workspace)
    run.progress.start("records", buckets, unit="buckets")
    drawn = ray.get([_draw.remote(config, workspace, bucket) for bucket in range(buckets)])
    chosen = sorted(one for part in drawn for one in part)[: config.records.most]
    if not chosen:
        raise InputError(f"no training pair has a mined negative, so there is nothing to learn from: {_REMEDY}")
    pairs = [{pair for _, _, pair in part} & {pair for _, _, pair in chosen} for part in drawn]
    tables = []
    usable = _usable.remote(workspace)
    for made in [_make.remote(config, workspace, bucket, wanted, usable) for bucket, wanted in enumerate(pairs)]:
        tables.append(ray.get(made))
        run.progress.advance()
    table = pa.concat_tables(tables).sort_by([("user", "ascending"), ("item", "ascending")])
    away = held_out(set(table["user"].to_pylist()), config.records.held_out_users, config.seed)
    table = _with_split(table, away)
    run.output("supervision_records").write_part(run.fingerprint, "part-00000", table)
    run.progress.finish()
    return Outcome(Rows(ok=table.num_rows), counts=_counted(table, config.records))


def _with_split(table: pa.Table, away: set[int]) -> pa.Table:
    splits = ["held_out" if user in away else "train" for user in table["user"].to_pylist()]
    place = TABLES["supervision_records"].get_field_index("split")
    return table.set_column(place, "split", pa.array(splits)).cast(TABLES["supervision_records"])


def _counted(table: pa.Table, config: RecordsConfig) -> dict[str, int | float | str | None]:
    splits = Counter(table["split"].to_pylist())
    lengths = pc.list_value_length(table["negatives"])
    return {
        "train": splits["train"],
        "held_out": splits["held_out"],
        "users": len(pc.unique(table["user"])),
        "without_user_text": pc.sum(pc.equal(table["user_text"], "")).as_py(),
        "without_item_text": pc.sum(pc.equal(table["item_text"], "")).as_py(),
        "with_fewer_random_items": pc.sum(pc.less(lengths, config.negatives + 1)).as_py(),
    }


def _mined_rows(workspace: Workspace, bucket: int, columns: list[str] | None = None) -> pa.Table:
    rows = workspace.table("mined_negatives").read_file(bucket, columns)
    return rows.filter(pc.greater(pc.list_value_length(rows["negatives"]), 0))


def _draw_bucket(config: Config, workspace: Workspace, bucket: int) -> list[tuple[int, bytes, Pair]]:
    rows = _mined_rows(workspace, bucket, ["user", "item", "negatives"])
    pairs = zip(rows["user"].to_pylist(), rows["item"].to_pylist(), strict=True)
    return balanced_draw(pairs, config.records.most, config.seed)


def _usable_items(workspace: Workspace) -> Ints:
    rows = workspace.table("teacher_items").read()
    return np.sort(rows.filter(pc.is_valid(rows["vector"]))["item"].to_numpy()).astype(np.int64)


def _make_bucket(config: Config, workspace: Workspace, bucket: int, wanted: set[Pair], usable: Ints) -> pa.Table:
    """Make the records of a bucket; their split is filled in when all users are known."""
    known = Known(
        rows_by_item(workspace, "items"),
        rows_by_item(workspace, "item_profiles"),
        user_profiles(workspace, bucket),
        {history.user: history.items for history in histories(training_rows(workspace, bucket))},
        usable,
    )
    teacher = config.teacher.cf.model if config.teacher.embeddings is None else "own"
    records = [
        {**make_record(row, known, teacher, config.records, config.seed), "split": ""}
        for row in _mined_rows(workspace, bucket).to_pylist()
        if (row["user"], row["item"]) in wanted
    ]
    return pa.Table.from_pylist(records, schema=TABLES["supervision_records"])


_draw = ray.remote(num_cpus=1)(_draw_bucket)
_usable = ray.remote(num_cpus=0.5)(_usable_items)
_make = ray.remote(num_cpus=1)(_make_bucket)
