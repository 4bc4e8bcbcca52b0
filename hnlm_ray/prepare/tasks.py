"""The stage's Ray tasks: each is one function of :mod:`hnlm_ray.prepare.blocks` on one block.

They import neither Ray Data nor pandas, which would cost every worker seconds.

The parts of ``raw_interactions`` as tasks read them.

How the stage's tasks are run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import ray
from pyarrow import fs

from hnlm_ray.config import PrepareConfig
from hnlm_ray.prepare import blocks, kcore, split
from hnlm_ray.prepare.duplicates import REVIEW, Repeats, drop_duplicates
from hnlm_ray.workspace import TableStore
from hnlm_ray.workspace.tables import TABLES

_IDS = ["user_id", "item_id"]


@dataclass(frozen=True)
class RawPart:
    """One Parquet file of the table, and the columns to read."""

    filesystem: fs.FileSystem
    path: str
    columns: tuple[str, ...]

    def read(self) -> pa.Table:
        """Read it; ids stay as the file's dictionary has them, so that no text is made of them for each row."""
        with pq.ParquetFile(self.path, filesystem=self.filesystem, read_dictionary=_IDS) as file:
            return file.read(list(self.columns), use_threads=False)


def raw_parts(raw: TableStore) -> list[RawPart]:
    """Return the published parts; reviews are read only where some row has one, as the files' statistics tell."""
    paths = raw.paths()
    told = any(_has_reviews(path, raw) for path in paths)
    columns = tuple(name for name in TABLES["raw_interactions"].names if told or name != REVIEW)
    return [RawPart(raw.filesystem, path, columns) for path in paths]


def _has_reviews(path: str, raw: TableStore) -> bool:
    metadata = pq.read_metadata(path, filesystem=raw.filesystem)
    column = metadata.schema.names.index(REVIEW)
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    statistics = [group.column(column).statistics for group in groups]
    return any(s is None or s.null_count < g.num_rows for s, g in zip(statistics, groups, strict=True))


PHASES, STEPS = 4, 25
"""Reading, bringing pairs together, splitting, writing; and the steps that progress shows of each."""


@dataclass(frozen=True)
class Workers:
    """Runs tasks.

    Attributes
    ----------
    cpus
        Of Ray, for a task.
    advance
        Is told the steps done: ``STEPS`` in each phase, however many tasks it has.
    """

    cpus: float
    advance: Callable[[int], None] = lambda _: None

    def submit(self, task: Any, *arguments: object, returns: int = 1) -> Any:  # noqa: ANN401 - Ray's tasks are untyped
        """Start a task; return the reference to its result, or a list of them."""
        return task.options(num_cpus=self.cpus, num_returns=returns).remote(*arguments)

    def phase(self, references: Sequence[ray.ObjectRef]) -> Iterator[Any]:
        """Yield the results of a phase's tasks, in the order of their references."""
        for place, reference in enumerate(references):
            yield ray.get(reference)
            self.advance((place + 1) * STEPS // len(references) - place * STEPS // len(references))


def a_task_a_core() -> float:
    """Return the CPUs of a task with which as many tasks run at a time as there are cores.

    A local Ray counts more CPUs than there are cores; tasks that compute gain nothing by it, and each worker more
    takes its memory and a second to start.
    """
    nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    return max(1.0, nodes[0] / (os.cpu_count() or 1)) if len(nodes) == 1 else 1.0


Bounds = npt.NDArray[np.int64]


@ray.remote(num_returns=2)
def encode(part: RawPart, config: PrepareConfig) -> tuple[blocks.Found, pa.Table]:
    """Read a part of the raw rows: what is in it, and its positives with codes of its own."""
    return blocks.encode(part.read(), config)


@ray.remote
def scatter(coded: pa.Table, users: blocks.Codes, items: blocks.Codes, bounds: Bounds) -> list[pa.Table] | pa.Table:
    """Divide a part's rows by ranges of users: a piece a range."""
    pieces = blocks.scatter(coded, users, items, bounds)
    return pieces if len(pieces) > 1 else pieces[0]


@ray.remote(num_returns=2)
def unique(config: PrepareConfig, *pieces: pa.Table) -> tuple[Repeats, pa.Table]:
    """Join a range's pieces: what repeats, and one row a pair."""
    pairs, found = drop_duplicates(pa.concat_tables(pieces), config.min_rating, count=config.repeats == "weight")
    return found, pairs


@ray.remote
def users_round(
    pairs: pa.Table, first: int, users: kcore.Mask, items: kcore.Mask, config: PrepareConfig
) -> tuple[kcore.Mask, kcore.Degrees]:
    """Do a round of the k-core for a range of users."""
    rows = blocks.user_rows(pairs, first, first + len(users))
    return kcore.users_round(rows, users, items, config.user_core, all_rows_count_for_items=config.item_core == 1)


@ray.remote
def degrees(pairs: pa.Table, first: int, end: int, items: kcore.Mask) -> tuple[kcore.Degrees, kcore.Degrees]:
    """Count the positives of a range's users: those that the k-core counts, and all."""
    rows = blocks.user_rows(pairs, first, end)
    return rows.degrees(items), np.diff(rows.starts)


@ray.remote
def span(pairs: pa.Table, first: int, users: kcore.Mask, items: kcore.Mask) -> split.Span:
    """Return how many pairs of a range stay, and from when to when."""
    return split.span_of(blocks.staying_times(pairs, first, users, items))


@ray.remote
def histogram(  # noqa: PLR0917 - a task's arguments
    pairs: pa.Table, first: int, users: kcore.Mask, items: kcore.Mask, begin: int, width: int
) -> split.Integers:
    """Count the times of a range's pairs that stay."""
    return split.histogram(blocks.staying_times(pairs, first, users, items), begin, width)


@ray.remote
def trained(
    pairs: pa.Table, first: int, users: kcore.Mask, items: kcore.Mask, cut: int
) -> tuple[kcore.Mask, kcore.Mask]:
    """Tell which users of a range, and which items, have a pair that stays before a time."""
    return blocks.trained(pairs, first, users, items, cut)


@ray.remote
def untrained(  # noqa: PLR0917 - a task's arguments
    pairs: pa.Table, first: int, users: kcore.Mask, users_left: kcore.Mask, items: kcore.Mask, items_left: kcore.Mask
) -> dict[str, int]:
    """Count a range's pairs that go because their user, or else their item, has none to train on."""
    return blocks.untrained(pairs, first, (users, items), (users_left, items_left))


@ray.remote
def number_and_split(pairs: pa.Table, users: blocks.KeptUsers, numbering: blocks.Numbering) -> list[object]:
    """Finish a range's rows: rows a split, then a piece a bucket."""
    buckets = numbering.config.buckets
    counts, rows = blocks.number_and_split(pairs, users, numbering)
    return [counts, *blocks.divide(rows, rows["user"].to_numpy() % buckets, buckets)]


@ray.remote
def write(rows_to: TableStore, reviews_to: TableStore, fingerprint: str, part: str, *pieces: pa.Table) -> int:
    """Write a bucket's parts where its rows are; return how many interactions."""
    interactions, reviews = blocks.join(pieces)
    reviews_to.write_part(fingerprint, part, reviews)
    return rows_to.write_part(fingerprint, part, interactions).rows
