"""What the LLM has not written yet (pool, vectors, texts of items), drawn at random in its shape.

A training on it costs what one on the real thing costs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.cf import CFData, NegativePool, PairVectors, Positives
from hnlm_ray.config import Config
from hnlm_ray.workspace import Workspace

_TEXT_DIM: Final = 384


def stand_in_data(config: Config, workspace: Workspace) -> CFData:
    """Return the prepared splits with a pool, vectors and item texts drawn at random."""
    users, items = (workspace.table(name).read([name[:-1]]).num_rows for name in ("users", "items"))
    rows = workspace.table("interactions").read(["user", "item", "split"])
    train_rows = _positives(rows, "train", users)
    if train_rows is None:
        raise WorkspaceError("table 'interactions' has no training rows: run `hnlm stage prepare` anew")
    draw = np.random.default_rng(config.seed)
    return CFData(
        users=users,
        items=items,
        train=train_rows,
        validation=_positives(rows, "validation", users),
        test=None,
        pool=_pool(config, train_rows, items, draw),
        vectors=_vectors(config, train_rows, items, draw),
        item_text=_unit(draw, items, _TEXT_DIM),
    )


def _positives(rows: pa.Table, split: str, users: int) -> Positives | None:
    chosen = rows.filter(pc.equal(rows["split"], split))
    return Positives.from_pairs(chosen["user"].to_numpy(), chosen["item"].to_numpy(), users) if len(chosen) else None


def _pool(config: Config, positives: Positives, items: int, draw: np.random.Generator) -> NegativePool:
    size = config.negatives.pool_size
    of_users, of_items = (np.repeat(column, size) for column in positives.pairs())
    drawn = draw.integers(items, size=len(of_users))
    return NegativePool.from_rows(positives, of_users, of_items, drawn, np.ones(len(drawn)), n_items=items)


def _vectors(config: Config, positives: Positives, items: int, draw: np.random.Generator) -> PairVectors:
    dim = config.teacher.cf.dim
    chosen = int(np.minimum(positives.degree, config.embeddings.pairs_per_user).sum())
    vectors = _unit(draw, max(1, chosen), dim)
    row = draw.integers(len(vectors), size=len(positives)).astype(np.int32)
    return PairVectors(vectors, row, _unit(draw, items, dim))


def _unit(draw: np.random.Generator, rows: int, dim: int) -> NDArray[np.float32]:
    drawn = draw.standard_normal((rows, dim), dtype=np.float32)
    unit: NDArray[np.float32] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit
