"""Stage: how the fine-tuned LLM compares, on the records of users that it has not seen."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
import torch

from hnlm_ray.config import Config
from hnlm_ray.finetune.baselines import (
    cf_mlp,
    cf_ridge,
    computed,
    fit_ridge,
    mining_rule,
    probe,
    start_head,
    states_of,
    targets_of,
    user_means,
)
from hnlm_ray.finetune.batches import Batch, Records, read_records
from hnlm_ray.finetune.evaluate.comparison import MEANINGS, UPPER_BOUND
from hnlm_ray.finetune.evaluate.metrics import Ranking, compared, measure, measure_scores
from hnlm_ray.finetune.export import fetch_exported
from hnlm_ray.finetune.model import HardNegativeModel, new_model
from hnlm_ray.finetune.query import Query, QueryEncoder
from hnlm_ray.llm.encoder import open_encoder
from hnlm_ray.teacher.vectors import Matrix, read_vectors
from hnlm_ray.workspace import Rows, Workspace
from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.tables import TABLES

METHODS = tuple(MEANINGS)


def evaluate_finetuned(run: StageRun) -> Outcome:
    """Stage: finetuned_model, supervision_records, teacher tables, interactions -> finetune_eval."""
    run.progress.start("finetune_eval", len(METHODS), unit="methods")
    task = ray.remote(_evaluate).options(
        num_cpus=run.config.llm.cpus_per_engine,
        num_gpus=1 if run.config.finetune.gpus_per_worker else 0,
        num_returns="streaming",
    )
    rows = []
    for reference in task.remote(run.config, run.workspace):
        rows.append(ray.get(reference))
        run.progress.advance()
    run.progress.finish()
    rows.sort(key=lambda row: METHODS.index(row["method"]))
    table = pa.Table.from_pylist(rows, schema=TABLES["finetune_eval"])
    run.output("finetune_eval").write_part(run.fingerprint, "part-00000", table)
    return Outcome(Rows(ok=len(rows)), counts={"pairs": rows[0]["pairs"], "users": _held_out_users(run.workspace)})


def _held_out_users(workspace: Workspace) -> int:
    rows = workspace.table("supervision_records").read(["user", "split"])
    return len(pc.unique(rows.filter(pc.equal(rows["split"], "held_out"))["user"]))


def _evaluate(config: Config, workspace: Workspace) -> Iterator[dict[str, Any]]:
    torch.set_num_threads(max(1, int(config.llm.cpus_per_engine)))
    with tempfile.TemporaryDirectory(prefix="hnlm-model-") as local:
        exported = fetch_exported(workspace, local)
        encoder = exported.encoder()
        rivals = config.finetune.rival_targets
        train, held_out = (
            read_records(workspace, split, encoder, rival_targets=rivals) for split in ("train", "held_out")
        )
        items = read_vectors(workspace, "teacher_items")
        users = set(held_out.rows["user"].to_pylist())
        trained_on, liked = (_items_of(workspace, users, split) for split in ("train", "validation"))
        ranking = Ranking.of(held_out, items.there, trained_on, liked)
        predicted = chain(
            _llm_methods(config, exported.model(), encoder, train, held_out),
            _other_methods(config, trained_on, train, held_out),
        )
        measured = chain(
            ((name, measure(vectors, ranking)) for name, vectors in predicted),
            [(UPPER_BOUND, measure_scores(mining_rule(held_out, trained_on, items, config.teacher), ranking))],
        )
        yield from compared(measured, ranking, config.seed)


def _items_of(workspace: Workspace, users: set[int], split: str) -> dict[int, list[int]]:
    rows = workspace.table("interactions").read(["user", "item", "split"])
    chosen = pc.and_(pc.equal(rows["split"], split), pc.is_in(rows["user"], pa.array(sorted(users), pa.int32())))
    found: dict[int, list[int]] = {}
    for user, item in zip(*(rows.filter(chosen)[name].to_pylist() for name in ("user", "item")), strict=True):
        found.setdefault(user, []).append(item)
    return found


def _llm_methods(
    config: Config, tuned: HardNegativeModel, encoder: QueryEncoder, train: Records, held_out: Records
) -> Iterator[tuple[str, Matrix]]:
    device = "cuda" if config.finetune.gpus_per_worker and torch.cuda.is_available() else "cpu"
    tuned = tuned.to(device)
    yield "finetuned", _vectors(tuned, held_out, device)
    yield "finetuned_no_text", _vectors(tuned, _without_text(held_out, encoder), device)
    yield "finetuned_no_soft_tokens", _vectors(tuned, _without_soft_tokens(held_out), device)
    del tuned
    fresh = new_model(config, train.users.shape[1], config.seed, lora=False).eval().to(device)
    states, asked = (states_of(fresh, records, device) for records in (train, held_out))
    fitted = probe(states, train)
    start_head(fresh.head, fitted, "random")
    with torch.no_grad():
        yield "untuned", cast("Matrix", fresh.head.cpu()(torch.from_numpy(asked)).float().numpy())
    yield "untuned_ridge", fitted.predict(asked)


def _other_methods(
    config: Config, trained_on: Mapping[int, Sequence[int]], train: Records, held_out: Records
) -> Iterator[tuple[str, Matrix]]:
    texts = open_encoder(config.llm)

    def features(records: Records) -> Matrix:
        return np.concatenate([texts.encode(records.rows[name].to_pylist()) for name in ("user_text", "item_text")], 1)

    yield "text_ridge", fit_ridge(features(train), targets_of(train)).predict(features(held_out))
    yield "item_vector", held_out.items
    yield "user_mean", user_means(held_out, trained_on)
    yield "cf_ridge", cf_ridge(train, held_out)
    yield "cf_mlp", cf_mlp(train, held_out, config.finetune.temperature, config.seed)
    draw = np.random.default_rng(config.seed)
    yield "random", draw.normal(size=held_out.users.shape).astype(np.float32)


def _vectors(model: HardNegativeModel, records: Records, device: str) -> Matrix:
    def compute(batch: Batch) -> torch.Tensor:
        found: torch.Tensor = model(batch.queries, batch.users.to(device), batch.items.to(device))
        return found

    return computed(compute, records)


def _without_text(records: Records, encoder: QueryEncoder) -> Records:
    queries = [encoder.encode("", "", user, item) for user, item in zip(records.users, records.items, strict=True)]
    return _replaced(records, queries)


def _without_soft_tokens(records: Records) -> Records:
    return _replaced(records, [Query([one for one in query.ids if one >= 0], query.cut) for query in records.queries])


def _replaced(records: Records, queries: Sequence[Query]) -> Records:
    return replace(records, queries=list(queries))
