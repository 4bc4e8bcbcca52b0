"""Records as queries and tensors, and which of them each step and worker computes: pure functions of the seed.

The paper's contrastive loss, in the teacher's space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.finetune.query import Query, QueryEncoder
from hnlm_ray.teacher.vectors import Ints, Matrix, read_vectors
from hnlm_ray.workspace import Workspace


@dataclass(frozen=True, eq=False)
class WholeBatch:
    """What the loss of each record needs of all records of its batch, however these are shared out.

    ``items`` int64[n] are the negatives, rising and without repeats, ``negatives`` float32[n, k] their vectors;
    ``weight`` is the sum of the records' weights.
    """

    items: Ints
    negatives: Tensor
    weight: float

    def to(self, device: torch.device | str) -> WholeBatch:
        """Return it with its vectors on a device."""
        return replace(self, negatives=self.negatives.to(device))


@dataclass(frozen=True, eq=False)
class Batch:
    """Records of a whole batch, or some of it: queries, vectors of user and item, and what the loss needs.

    ``negatives`` and ``weight`` are those of the whole batch, all else is that of the records; ``wrong`` bool
    [records, negatives] marks a record's own target among the negatives.
    """

    queries: list[Query]
    users: Tensor
    items: Tensor
    targets: Tensor
    negatives: Tensor
    wrong: Tensor
    weights: Tensor
    weight: float

    @property
    def tokens(self) -> int:
        """Tokens of its queries, padding not counted."""
        return sum(len(query.ids) for query in self.queries)

    def to(self, device: torch.device | str) -> Batch:
        """Return it with its tensors on a device."""
        tensors: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **tensors)


@dataclass(frozen=True, eq=False)
class Records:
    """Supervision records with the teacher's vectors.

    ``users`` and ``items`` are float32[n, k], one row a record's user and item; ``catalogue`` is
    float32[items, k] with rows of zeros for items without a vector. With ``rival_targets`` the targets of a
    batch are negatives of its other records too.
    """

    queries: list[Query]
    rows: pa.Table
    users: Matrix
    items: Matrix
    catalogue: Matrix
    rival_targets: bool = True

    def __len__(self) -> int:
        return len(self.queries)

    def whole(self, chosen: Sequence[int]) -> WholeBatch:
        """Return what a batch of these records has in common: the negatives of all of them, and their weight."""
        rows = self._taken(chosen)
        listed = pc.list_flatten(rows["negatives"]).to_numpy().astype(np.int64)
        items = np.union1d(listed, rows["target"].to_numpy()) if self.rival_targets else np.unique(listed)
        return WholeBatch(items, torch.from_numpy(self.catalogue[items]), float(pc.sum(rows["weight"]).as_py()))

    def batch(self, chosen: Sequence[int], whole: WholeBatch | None = None) -> Batch:
        """Return these records as part of a batch; none: they are all of it."""
        whole = whole or self.whole(chosen)
        rows, index = self._taken(chosen), np.asarray(chosen)
        targets = rows["target"].to_numpy()
        return Batch(
            [self.queries[row] for row in chosen],
            torch.from_numpy(self.users[index]),
            torch.from_numpy(self.items[index]),
            torch.from_numpy(self.catalogue[targets]),
            whole.negatives,
            torch.from_numpy(whole.items[None, :] == targets[:, None]),
            torch.from_numpy(rows["weight"].to_numpy().astype(np.float32)),
            whole.weight,
        )

    def _taken(self, chosen: Sequence[int]) -> pa.Table:
        return self.rows.take(pa.array(chosen, pa.int64()))


def read_records(workspace: Workspace, split: str, encoder: QueryEncoder, *, rival_targets: bool = True) -> Records:
    """Read the records of a split and encode their queries."""
    rows = workspace.table("supervision_records").read()
    rows = rows.filter(pc.equal(rows["split"], split)).combine_chunks()
    users, items = (read_vectors(workspace, name).matrix for name in ("teacher_users", "teacher_items"))
    own_users, own_items = users[rows["user"].to_numpy()], items[rows["item"].to_numpy()]
    texts = zip(rows["user_text"].to_pylist(), rows["item_text"].to_pylist(), own_users, own_items, strict=True)
    queries = [encoder.encode(user, item, list(of_user), list(of_item)) for user, item, of_user, of_item in texts]
    return Records(queries, rows, own_users, own_items, items, rival_targets)


@dataclass(frozen=True)
class Plan:
    """How ``records`` records are trained on: steps of ``batch`` records, in micro-batches on each worker."""

    records: int
    epochs: int
    batch: int
    micro: int
    workers: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch; the last is filled up from the epoch's start."""
        return -(-self.records // self.batch)

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.steps_per_epoch * self.epochs

    def records_of(self, step: int) -> list[int]:
        """Return all records of a step (0 is the first), in the order of the epoch's draw."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(self.records)
        filled = np.resize(order, self.steps_per_epoch * self.batch)
        return [int(row) for row in filled[place * self.batch : (place + 1) * self.batch]]

    def micro_batches(self, step: int, worker: int) -> list[list[int]]:
        """Return those records of a step that a worker computes, by micro-batch."""
        chosen = np.array(self.records_of(step))
        mine = chosen.reshape(-1, self.workers, self.micro)[:, worker]
        return [list(map(int, rows)) for rows in mine]


def shares(records: int, micro: int, workers: int, worker: int) -> list[list[int]]:
    """Return a worker's share of all records in micro-batches, the same number of them on each worker.

    A micro-batch may be empty: workers that shard a model must go through it together.
    """
    starts = range(0, max(records, 1), micro * workers)
    return [list(range(start + worker * micro, min(start + (worker + 1) * micro, records))) for start in starts]


def learning_rate_factor(step: int, steps: int, warmup: float) -> float:
    """Return the share of the full learning rate at a step: a linear rise, then a linear fall to zero."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    return max(0.0, (steps - step) / max(1, steps - rise))


def contrastive_loss(queries: Tensor, batch: Batch, temperature: float) -> Tensor:
    """Return sum_a w_a mean_b -log sigmoid((cos(q_a, p_a) - cos(q_a, n_b)) / t) / W: these records' part of a loss.

    The paper's fine-tuning loss with in-batch negatives: b runs over the negatives of the whole batch but for
    those that are a's own target, and W is the sum of the whole batch's weights. The parts of a batch add up to
    its loss, and their gradients to its gradient, however it is cut: targets and negatives are constants.

    Parameters
    ----------
    queries
        float32[records, k]: the model's vectors, on the batch's device.
    batch
        With targets p float32[records, k], negatives n float32[n, k], weights w float32[records].
    temperature
        t; 0.05 in the paper.
    """
    unit = functional.normalize(queries, dim=1)
    own = (unit * functional.normalize(batch.targets, dim=1)).sum(1, keepdim=True)
    lead = own - unit @ functional.normalize(batch.negatives, dim=1).T
    losses = functional.softplus(-lead / temperature).masked_fill(batch.wrong, 0.0)
    each = losses.sum(1) / (~batch.wrong).sum(1).clamp(min=1)
    return (each * batch.weights).sum() / batch.weight
