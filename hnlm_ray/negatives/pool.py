"""The pool: grounded negatives of every training pair, made bucket by bucket on Ray Data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import ray

from hnlm_ray.config import Config, NegativesConfig
from hnlm_ray.llm.encoder import open_encoder
from hnlm_ray.llm.models import encoder_path
from hnlm_ray.negatives.grounding import GROUNDING_COUNTS, Catalogue, Grounding, Vectors, grounding_counts
from hnlm_ray.profiles.items import item_facts
from hnlm_ray.stage import Outcome, StageRun
from hnlm_ray.tables import TABLES
from hnlm_ray.training_data import UserHistory, bucket_count, histories, training_rows
from hnlm_ray.workspace import Rows, Workspace

_PAIR_COUNTS = ("own_pairs", "borrowed_pairs", "fallback_pairs", "duplicate")
_BUCKETS_PER_ACTOR = 8  # each actor encodes the whole catalogue once
PoolRow = dict[str, Any]


@dataclass(frozen=True)
class UserPool:
    """A user's pool rows and what was counted on the way."""

    rows: list[PoolRow]
    counts: Counter[str]


def user_pool(
    history: UserHistory, groundings: Mapping[int, Grounding], vectors: Vectors, config: NegativesConfig
) -> UserPool:
    """Make one row for each training pair from the groundings of some (item -> grounding); others borrow."""
    own = {item: grounding for item, grounding in groundings.items() if grounding.items}
    lenders = np.array(sorted(own), dtype=np.int64)
    rows = [_row(history.user, item, own, _lender(item, lenders, vectors, config)) for item in sorted(history.items)]
    first = [grounding.items[0].item for grounding in own.values()]
    counts = Counter(f"{row['origin']}_pairs" for row in rows)
    counts["duplicate"] = len(first) - len(set(first))
    return UserPool(rows, counts)


def _lender(item: int, lenders: npt.NDArray[np.int64], vectors: Vectors, config: NegativesConfig) -> int | None:
    """Return the item whose grounding a pair uses: its own, else that of the most similar one; None: nothing."""
    if item in lenders:
        return item
    if not len(lenders) or not config.borrow:
        return None
    return int(lenders[np.argmax(vectors[lenders] @ vectors[item])])


def _row(user: int, item: int, own: Mapping[int, Grounding], lender: int | None) -> PoolRow:
    grounded = own[lender].items if lender is not None else ()
    borrowed = lender is not None and lender != item
    return {
        "user": user,
        "item": item,
        "origin": "fallback" if lender is None else "borrowed" if borrowed else "own",
        "lender": lender if borrowed else None,
        "negatives": [one.item for one in grounded],
        "weights": [one.weight for one in grounded],
        "sources": [one.source for one in grounded],
    }


def bucket_pool(
    users: Sequence[UserHistory], texts: Mapping[tuple[int, int], Grounding], vectors: Vectors, config: NegativesConfig
) -> UserPool:
    """Make the rows of all users of a bucket, in key order."""
    rows: list[PoolRow] = []
    counts = grounding_counts(list(texts.values()))
    for history in users:
        mine = {item: texts[history.user, item] for item in history.items if (history.user, item) in texts}
        pool = user_pool(history, mine, vectors, config)
        rows += pool.rows
        counts.update(pool.counts)
    rows.sort(key=lambda row: (row["user"], row["item"]))
    return UserPool(rows, counts)


class _PoolWorker:
    """A Ray Data actor that grounds the texts of a bucket and writes its part of the pool."""

    def __init__(self, config: Config, workspace: Workspace, fingerprint: str) -> None:
        self._config, self._workspace, self._fingerprint = config, workspace, fingerprint
        trust = config.llm.trust_remote_code
        self._encoder = open_encoder(encoder_path(config.llm.encoder), trust_remote_code=trust)
        items = workspace.table("items").read().to_pylist()
        described = [" ".join(item_facts(item, 0).values()) or item["item_id"] for item in items]
        titles = [item["title"] or "" for item in items]
        self._catalogue = Catalogue(titles, self._encoder.encode(described))

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Make one bucket of the pool; returns its counts."""
        (bucket,) = batch["bucket"].to_pylist()
        users = histories(training_rows(self._workspace, bucket))
        pool = bucket_pool(users, self._ground(bucket, users), self._catalogue.vectors, self._config.negatives)
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


def make_negative_pool(run: StageRun) -> Outcome:
    """Stage: semantic_negatives, interactions (training rows), items -> negative_pool."""
    buckets = bucket_count(run.workspace)
    run.progress.start("negative_pool", buckets, unit="buckets")
    source = ray.data.from_items([{"bucket": bucket} for bucket in range(buckets)], override_num_blocks=buckets)
    counted = source.map_batches(
        _PoolWorker,
        fn_constructor_args=(run.config, run.workspace, run.fingerprint),
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, buckets // _BUCKETS_PER_ACTOR)),
        num_cpus=1,
    )
    counts: Counter[str] = Counter(dict.fromkeys((*GROUNDING_COUNTS, *_PAIR_COUNTS), 0))
    for batch in counted.iter_batches(batch_size=None, batch_format="pyarrow"):
        counts.update(dict(zip(batch["name"].to_pylist(), batch["count"].to_pylist(), strict=True)))
        run.progress.advance()
    run.progress.finish()
    rows = counts.pop("rows", 0)
    shares = {"grounded_share": round(counts["grounded"] / counts["texts"], 4)} if counts["texts"] else {}
    return Outcome(rows=Rows(ok=rows), counts={**counts, **shares})
