"""From published tables to the arrays that a CF training reads."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.cf import CFData, NegativePool, PairVectors, Positives
from hnlm_ray.config import Config
from hnlm_ray.evidence.arrays import with_evidence
from hnlm_ray.methods.known import RunMethods, makes_negatives
from hnlm_ray.profiles.item_text import encode_item_text
from hnlm_ray.tune.pair_vectors import load_pair_vectors, with_mined
from hnlm_ray.workspace import Workspace


def load_cf_data(config: Config, workspace: Workspace) -> CFData:
    """Read the splits and, where the run makes them, the pool, its vectors and the items' text vectors.

    Raises
    ------
    InputError
        When the tables don't belong together.
    """
    users = workspace.table("users").read(["user"]).num_rows
    items = workspace.table("items").read(["item"]).num_rows
    rows = workspace.table("interactions").read(["user", "item", "split"])
    train = _positives(rows, "train", users)
    made, methods = makes_negatives(config), RunMethods.of(config.tune)
    assert train is not None  # noqa: S101  prepare leaves each user a training row
    data = CFData(
        users=users,
        items=items,
        train=train,
        validation=_positives(rows, "validation", users),
        test=_positives(rows, "test", users),
        pool=_pool(workspace, train, items) if made else None,
        vectors=_vectors(config, workspace, train, items) if made and config.finetune.enabled else None,
        item_text=encode_item_text(config, workspace) if methods.reads_text else None,
        facts_text=encode_item_text(config, workspace, "facts") if methods.reads_facts else None,
    )
    return with_evidence(data, config, workspace) if methods.reads_evidence else data


def _positives(rows: pa.Table, split: str, users: int) -> Positives | None:
    chosen = rows.filter(pc.equal(rows["split"], split))
    if not chosen.num_rows:
        return None
    return Positives.from_pairs(chosen["user"].to_numpy(), chosen["item"].to_numpy(), users)


def _vectors(config: Config, workspace: Workspace, train: Positives, items: int) -> PairVectors | None:
    vectors = load_pair_vectors(workspace, train, items)
    reads = {method.reads for method in RunMethods.of(config.tune).chosen.values()}
    if vectors is None or "teacher_vectors" not in reads:
        return vectors
    return with_mined(vectors, workspace, train, config)


def _pool(workspace: Workspace, train: Positives, items_in_catalogue: int) -> NegativePool | None:
    rows = workspace.table("negative_pool").read(["user", "item", "negatives", "weights"]).combine_chunks()
    if not pc.sum(pc.list_value_length(rows["negatives"])).as_py():
        return None
    pair = pc.list_parent_indices(rows["negatives"])
    users, items = (rows[name].take(pair).to_numpy() for name in ("user", "item"))
    negatives, weights = (pc.list_flatten(rows[name]).to_numpy() for name in ("negatives", "weights"))
    return NegativePool.from_rows(train, users, items, negatives, weights, n_items=items_in_catalogue)
