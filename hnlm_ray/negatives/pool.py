"""The pool: grounded negatives of every training pair, made bucket by bucket on Ray Data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray

from hnlm_ray.config import Config
from hnlm_ray.llm.encoder import open_encoder
from hnlm_ray.negatives.grounding import (
    GROUNDING_COUNTS,
    Catalogue,
    Embedded,
    Grounded,
    Grounding,
    Pair,
    TeacherCatalogue,
    embedded_negatives,
    grounding_counts,
)
from hnlm_ray.negatives.titles import year_of
from hnlm_ray.profiles.items import described_item
from hnlm_ray.teacher.vectors import Matrix, read_vectors
from hnlm_ray.workspace import Rows, Workspace
from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.tables import TABLES
from hnlm_ray.workspace.training_data import UserHistory, bucket_count, histories, rows_by_item, training_rows

_PAIR_COUNTS = ("own_pairs", "borrowed_pairs", "fallback_pairs", "duplicate")
_VECTOR_COUNTS = ("own_vectors", "borrowed_vectors", "pairs_without_vector")
_BUCKETS_PER_ACTOR = 8  # each actor encodes the whole catalogue once
PoolRow = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class UserPool:
    """A user's pool rows and what was counted on the way."""

    rows: list[PoolRow]
    counts: Counter[str]


def user_pool(
    history: UserHistory, texts: Mapping[int, Grounding], embedded: Mapping[int, Embedded], similar: Similarity
) -> UserPool:
    """Make one row for each training pair from what some pairs have (by item); the others borrow it."""
    own = {item: grounding.items for item, grounding in texts.items() if grounding.items}
    rows = [
        _row(history.user, item, _Loan.of(item, own, similar), _Loan.of(item, embedded, similar))
        | {"verdict": texts[item].verdict if item in texts else None}
        for item in sorted(history.items)
    ]
    first = [items[0].item for items in own.values()]
    counts = Counter(f"{row['origin']}_pairs" for row in rows)
    counts["duplicate"] = len(first) - len(set(first))
    counts.update(_vector_origin(row) for row in rows)
    return UserPool(rows, counts)


@dataclass(frozen=True)
class Similarity:
    """Unit vectors of items float32[items, d], by which a pair finds its nearest; ``borrow`` off: it takes none."""

    vectors: Matrix
    borrow: bool = True


@dataclass(frozen=True)
class _Loan(Generic[T]):
    """What a pair has of a kind: from its own item or another of the user's; none: nothing."""

    item: int
    lender: int | None
    what: T | None

    @classmethod
    def of(cls, item: int, lenders: Mapping[int, T], similar: Similarity) -> _Loan[T]:
        if item in lenders:
            return cls(item, item, lenders[item])
        if not lenders or not similar.borrow:
            return cls(item, None, None)
        items = np.array(sorted(lenders), dtype=np.int64)
        nearest = int(items[np.argmax(similar.vectors[items] @ similar.vectors[item])])
        return cls(item, nearest, lenders[nearest])

    @property
    def other(self) -> int | None:
        """The item of another pair that lends; none: it is its own, or there is nothing."""
        return None if self.lender == self.item else self.lender

    @property
    def origin(self) -> str:
        return "fallback" if self.lender is None else "own" if self.lender == self.item else "borrowed"


def _row(user: int, item: int, text: _Loan[tuple[Grounded, ...]], vector: _Loan[Embedded]) -> PoolRow:
    deciding: _Loan[Any] = vector if text.what is None else text
    found = (*(text.what or ()), *(vector.what.items if vector.what else ()))
    named = {one.item: one for one in reversed(found)}  # an item of both is the text's
    grounded = [one for one in found if named[one.item] is one]
    return {
        "user": user,
        "item": item,
        "origin": deciding.origin,
        "lender": deciding.other,
        "negatives": [one.item for one in grounded],
        "weights": [one.weight for one in grounded],
        "sources": [one.source for one in grounded],
        "vector": None if vector.what is None else vector.what.vector.astype(np.float16),
        "vector_lender": vector.other,
    }


def _vector_origin(row: PoolRow) -> str:
    if row["vector"] is None:
        return "pairs_without_vector"
    return "own_vectors" if row["vector_lender"] is None else "borrowed_vectors"


def bucket_pool(
    users: Sequence[UserHistory],
    texts: Mapping[Pair, Grounding],
    embedded: Mapping[Pair, Embedded],
    similar: Similarity,
) -> UserPool:
    """Make the rows of all users of a bucket, in key order."""
    rows: list[PoolRow] = []
    counts = grounding_counts(list(texts.values()))
    for history in users:
        pool = user_pool(history, _of_user(history, texts), _of_user(history, embedded), similar)
        rows += pool.rows
        counts.update(pool.counts)
    rows.sort(key=lambda row: (row["user"], row["item"]))
    return UserPool(rows, counts)


def _of_user(history: UserHistory, pairs: Mapping[Pair, T]) -> dict[int, T]:
    return {item: pairs[history.user, item] for item in history.items if (history.user, item) in pairs}


class _PoolWorker:
    """A Ray Data actor that grounds the texts of a bucket and writes its part of the pool."""

    def __init__(self, config: Config, workspace: Workspace, fingerprint: str, workers: int) -> None:
        self._config, self._workspace, self._fingerprint = config, workspace, fingerprint
        self._encoder = open_encoder(config.llm, workers)
        items = workspace.table("items").read().to_pylist()
        profiles = rows_by_item(workspace, "item_profiles")
        described = [described_item(item, profiles.get(item["item"])) for item in items]
        titles = [item["title"] or "" for item in items]
        self._catalogue = Catalogue(titles, self._encoder.encode(described), [item_year(item) for item in items])
        on = config.finetune.enabled
        self._teacher = TeacherCatalogue(read_vectors(workspace, "teacher_items")) if on else None

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Make one bucket of the pool; returns its counts."""
        (bucket,) = batch["bucket"].to_pylist()
        users = histories(training_rows(self._workspace, bucket))
        similar = Similarity(self._catalogue.vectors, self._config.negatives.borrow)
        pool = bucket_pool(users, self._ground(bucket, users), self._embedded(bucket, users), similar)
        table = pa.Table.from_pylist(pool.rows, schema=TABLES["negative_pool"])
        self._workspace.table("negative_pool").write_part(self._fingerprint, f"part-{bucket:05}", table)
        counts = {**pool.counts, "rows": len(pool.rows)}
        return pa.table({"name": list(counts), "count": list(counts.values())})

    def _ground(self, bucket: int, users: Sequence[UserHistory]) -> dict[tuple[int, int], Grounding]:
        rows = self._workspace.table("semantic_negatives").read_file(bucket, ["user", "item", "negative", "status"])
        rows = rows.filter(pc.equal(rows["status"], "ok")).to_pylist()
        vectors = self._encoder.encode([row["negative"] for row in rows])
        positives = {history.user: set(history.items) for history in users}
        return {
            (row["user"], row["item"]): self._catalogue.ground(
                row["negative"], vector, positives[row["user"]], self._config.negatives
            )
            for row, vector in zip(rows, vectors, strict=True)
        }

    def _embedded(self, bucket: int, users: Sequence[UserHistory]) -> dict[Pair, Embedded]:
        if self._teacher is None:
            return {}
        rows = self._workspace.table("negative_embeddings").read_file(bucket, ["user", "item", "vector", "status"])
        by_user = {history.user: history for history in users}
        return embedded_negatives(rows, by_user, self._teacher, self._config.negatives.pool_size)


def item_year(item: Mapping[str, Any]) -> str | None:
    """Return the year that ends an item's title in parentheses, else that of its attribute of this name."""
    return year_of(item["title"] or "") or dict(item["attributes"] or ()).get("year")


def make_negative_pool(run: StageRun) -> Outcome:
    """Stage: semantic_negatives, negative_embeddings, interactions (training rows), items -> negative_pool."""
    buckets = bucket_count(run.workspace)
    run.progress.start("negative_pool", buckets, unit="buckets")
    source = ray.data.from_items([{"bucket": bucket} for bucket in range(buckets)], override_num_blocks=buckets)
    workers = max(1, buckets // _BUCKETS_PER_ACTOR)
    counted = source.map_batches(
        _PoolWorker,
        fn_constructor_args=(run.config, run.workspace, run.fingerprint, workers),
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
        num_cpus=1,
    )
    counts: Counter[str] = Counter(dict.fromkeys((*GROUNDING_COUNTS, *_PAIR_COUNTS, *_VECTOR_COUNTS), 0))
    for batch in counted.iter_batches(batch_size=None, batch_format="pyarrow"):
        counts.update(dict(zip(batch["name"].to_pylist(), batch["count"].to_pylist(), strict=True)))
        run.progress.advance()
    run.progress.finish()
    rows = counts.pop("rows", 0)
    named = {"named_by_title_share": round(counts["named_by_title"] / counts["texts"], 4)} if counts["texts"] else {}
    return Outcome(rows=Rows(ok=rows), counts={**counts, **named})
