"""From published tables to the arrays that a CF training reads.

The pool's vectors as arrays: one row a distinct vector, however many pairs borrow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, NegativePool, PairVectors, PairWeights, Positives
from hnlm_ray.config import CFTeacherConfig, Config
from hnlm_ray.evidence.arrays import with_evidence
from hnlm_ray.methods.known import RunMethods, makes_negatives
from hnlm_ray.profiles.texts import encode_item_text
from hnlm_ray.teacher.mining import UserPairs, mine
from hnlm_ray.teacher.vectors import read_vectors
from hnlm_ray.workspace import TableStore, Workspace

Ints = NDArray[np.int64]
Columns = Mapping[str, NDArray[Any]]
_USERS_AT_ONCE = 4096


def load_pair_vectors(workspace: Workspace, train: Positives, n_items: int) -> PairVectors | None:
    """Read the vectors of the training pairs, float16, and the teacher's items as unit anchors; none: no pair has one.

    What the teacher mined for them is not there: :func:`with_mined` adds it.

    InputError where a pair borrows a vector that isn't there.
    """
    store = workspace.table("negative_pool")
    read = (_columns(store, index) for index in range(len(store.paths())))
    parts = [columns for columns in read if len(columns["user"])]
    if not parts:
        return None
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    users, items, rows = _lent(columns, n_items)
    anchors, anchored = _anchors(workspace)
    vectors = columns["vectors"]
    found = PairVectors.from_rows(
        train, users, items, rows, vectors, n_items=n_items, anchors=anchors, anchored=anchored
    )
    return replace(found, positives=columns["item"][columns["own"]].astype(np.int32))


def with_mined(vectors: PairVectors, workspace: Workspace, train: Positives, config: Config) -> PairVectors:
    """Return the vectors with the hard negative that the teacher mines for the pair of each; -1 where there is none.

    By the rule that the LLM's targets were mined by, for the pairs that got a vector, not for those it learnt from;
    in a Ray task, some users at a time.
    """
    assert vectors.positives is not None  # noqa: S101  load_pair_vectors gives them
    owner = _owners(vectors, train)
    task = ray.remote(_mined).options(num_cpus=config.tune.cpus_per_trial)
    found = ray.get(task.remote(workspace, owner, vectors.positives, train, config.teacher))
    return replace(vectors, mined=found)


def _owners(vectors: PairVectors, train: Positives) -> Ints:
    """Return the user whose own pair each vector was made for, int64[n]."""
    users, items = train.pairs()
    covered = vectors.covered
    row = vectors.row[covered]
    own = items[covered] == (vectors.positives if vectors.positives is not None else items)[row]
    owner = np.full(len(vectors.vectors), -1, np.int64)
    owner[row[own]] = users[covered][own]
    return owner


def _mined(
    workspace: Workspace, owner: Ints, positives: NDArray[np.int32], train: Positives, config: CFTeacherConfig
) -> NDArray[np.int32]:
    of_users, of_items = (read_vectors(workspace, name) for name in ("teacher_users", "teacher_items"))
    found = np.full(len(owner), -1, np.int32)
    order = np.argsort(owner, kind="stable")
    order = order[owner[order] >= 0]
    users, starts = np.unique(owner[order], return_index=True)
    rows = [one for one in zip(users.tolist(), np.split(order, starts[1:]), strict=True) if of_users.there[one[0]]]
    for start in range(0, len(rows), _USERS_AT_ONCE):
        block = rows[start : start + _USERS_AT_ONCE]
        asked = [UserPairs(user, _items_of(train, user), positives[own].tolist()) for user, own in block]
        mined = mine(asked, of_users.matrix[[user for user, _ in block]], of_items, config)
        first = {(one["user"], one["item"]): one["negatives"][0] for one in mined.rows if one["negatives"]}
        for user, own in block:
            found[own] = [first.get((user, item), -1) for item in positives[own].tolist()]
    return found


def _items_of(train: Positives, user: int) -> list[int]:
    return train.items[train.indptr[user] : train.indptr[user + 1]].tolist()  # type: ignore[no-any-return]


def _columns(store: TableStore, index: int) -> Columns:
    """Read the pairs of one file that have a vector; a borrowed one is left where it is lent."""
    rows = store.read_file(index, ["user", "item", "vector", "vector_lender"])
    rows = rows.filter(rows["vector"].is_valid())
    own = rows["vector_lender"].is_null()
    width = pc.max(pc.list_value_length(rows["vector"])).as_py() or 0
    flat = pc.list_flatten(rows["vector"].filter(own)).to_numpy()
    return {
        "user": _ints(rows["user"]),
        "item": _ints(rows["item"]),
        "lender": _ints(pc.coalesce(rows["vector_lender"], rows["item"])),
        "own": own.to_numpy(),
        "vectors": flat.reshape(-1, width) if width else np.zeros((0, 0), np.float16),
    }


def _ints(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.to_numpy(), np.int64)


def _lent(columns: Columns, n_items: int) -> tuple[Ints, Ints, Ints]:
    """Return user, item and row of ``vectors`` of each pair that has one, its own or its lender's."""
    users, items = columns["user"], columns["item"]
    own = (users * n_items + items)[columns["own"]]
    order = np.argsort(own)
    wanted = users * n_items + columns["lender"]
    place = np.minimum(np.searchsorted(own, wanted, sorter=order), len(own) - 1)
    rows = order[place]
    if (missing := int((own[rows] != wanted).sum())) > 0:
        raise InputError(
            f"{missing} pairs borrow a vector that isn't there: delete tables/negative_pool in the workspace, run again"
        )
    return users, items, rows


def _anchors(workspace: Workspace) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the teacher's items at unit length, float32[items, k], and which items have one."""
    teacher = read_vectors(workspace, "teacher_items")
    lengths: NDArray[np.float32] = np.linalg.norm(teacher.matrix, axis=1, keepdims=True)
    anchored = teacher.there & (lengths[:, 0] > 0)
    unit = np.divide(teacher.matrix, lengths, out=np.zeros_like(teacher.matrix), where=lengths > 0)
    return unit, anchored


def load_cf_data(config: Config, workspace: Workspace) -> CFData:
    """Read the splits and, where the run makes them, the pool, its vectors and the items' text vectors.

    Raises
    ------
    InputError
        When the tables don't belong together.
    """
    users = workspace.table("users").read(["user"]).num_rows
    items = workspace.table("items").read(["item"]).num_rows
    weighs = config.prepare.repeats == "weight"
    rows = workspace.table("interactions").read(["user", "item", "split", *(["repeats"] if weighs else [])])
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
        weights=_weights(rows, items) if weighs else None,
    )
    return with_evidence(data, config, workspace) if methods.reads_evidence else data


def _weights(rows: pa.Table, items: int) -> PairWeights:
    user, item, repeats = (rows[name].to_numpy() for name in ("user", "item", "repeats"))
    return PairWeights.from_pairs(user, item, repeats, items)


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
