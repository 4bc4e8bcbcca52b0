"""How hard the negatives of a training are, and how many of them are false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hnlm_ray.cf.data import CFData
from hnlm_ray.cf.losses import PAIR_LOSSES, leads
from hnlm_ray.cf.objectives import Step, negative_rows
from hnlm_ray.cf.samplers import AnyNegatives, Batch, Negatives, Sampler
from hnlm_ray.cf.sorted_keys import contains
from hnlm_ray.cf.stepped import Stepped
from hnlm_ray.cf.trainer import Trainer
from hnlm_ray.cf.training import Training
from hnlm_ray.config import CFConfig

PAIRS: Final = 20_000


@dataclass(frozen=True)
class Hardness:
    """Of one negative for each of some training pairs.

    Attributes
    ----------
    hardness
        Mean of sigmoid(s(u, j) - s(u, i)): 0.5 where negatives score like their positives, near 0 where they are easy.
    false_negative_share
        Share of the negatives that are held-out (validation or test) positives of their user, a mixed one counted by
        its parts; none where nothing is held out.
    """

    hardness: float
    false_negative_share: float | None


@torch.no_grad()
def measure_hardness(training: Training, seed: int, most: int = PAIRS) -> Hardness | None:
    """Draw a negative for up to ``most`` training pairs with the training's own sampler on its final embeddings.

    Counted after everything else, and nothing is chosen by it: it reads held-out positives. A mixed negative
    scores as the mixed vector does, which is what the ranking loss sees, and is as false as its parts: the mix if the
    pool's item is a held-out positive, and the rest if the sampled one is. A pair's own vector is no item, so there the
    sampled item alone counts, whole. None of a training that draws no negative for a pair.
    """
    trainer = training.trainer
    if not isinstance(trainer, Trainer) or trainer.sampler is None or not draws_for_pairs(trainer.config):
        return None
    ranked_by = trainer.scorer()
    final = torch.cat([ranked_by.user_embeddings, ranked_by.item_embeddings])
    return _measured(trainer, trainer.sampler, training.data, final, choose_pairs(training.data, seed, most))


@torch.no_grad()
def measure_hardness_now(stepped: Stepped, seed: int, most: int = PAIRS) -> Hardness | None:
    """Measure a running training, between two epochs, as :func:`measure_hardness` does; it goes on unchanged.

    What is drawn comes from streams of ``seed`` and the epoch, the pairs are the same in all epochs. The figure reads
    held-out positives: it is to be shown, and nothing may be chosen by it.
    """
    if not isinstance(stepped, Trainer) or not draws_for_pairs(stepped.config):
        return None
    pairs, final = choose_pairs(stepped.data, seed, most), torch.cat(stepped.model.embeddings())
    own = int(np.random.default_rng([seed, stepped.epoch]).integers(2**62))
    with stepped.drawing_apart(own) as sampler:
        return None if sampler is None else _measured(stepped, sampler, stepped.data, final, pairs)


def _measured(trainer: Trainer, sampler: Sampler, data: CFData, final: Tensor, pairs: NDArray[np.int64]) -> Hardness:
    users, items = data.train.pairs()
    hops = trainer.model.hops() if sampler.reads == "hops" else None
    scores, false = list[Tensor](), list[NDArray[np.float64]]()
    for edges in _in_batches(pairs, trainer.config.batch_size):
        batch = _batch(users[edges], items[edges], edges, final.device)
        negatives = sampler.sample(batch, final if hops is None else hops)
        rows = negative_rows(Step(final, hops, batch, negatives), data.users, trainer.adapted)
        scores.append(negative_wins(final[batch.users], final[data.users + batch.items], rows).reshape(-1))
        false.append(false_shares(users[edges], negatives, data))
    nothing_held_out = data.validation is None and data.test is None
    share = None if nothing_held_out else float(np.concatenate(false).mean())
    return Hardness(float(torch.cat(scores).double().mean()), share)


def choose_pairs(data: CFData, seed: int, most: int) -> NDArray[np.int64]:
    """Return the edges of up to ``most`` training pairs for which a negative exists, int64, increasing."""
    users, _ = data.train.pairs()
    edges = np.flatnonzero(data.train.degree[users] < data.items)
    if len(edges) <= most:
        return edges
    return np.sort(np.random.default_rng(seed).choice(edges, most, replace=False))


def negative_wins(user: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Return sigmoid(s(u, j) - s(u, i)) of each row, float32[n] or [n, m], as :func:`~hnlm_ray.cf.losses.leads`."""
    return torch.sigmoid(leads(user, positive, negative))


def draws_for_pairs(config: CFConfig) -> bool:
    """Tell whether a training's negatives belong to a pair, one by one: a softmax shares or sums them."""
    return config.loss in PAIR_LOSSES


def false_shares(users: NDArray[np.int32], negatives: AnyNegatives, data: CFData) -> NDArray[np.float64]:
    """Return how much of each negative is a held-out positive, float64[n] in 0 to 1; see :func:`measure_hardness`.

    Of a pair's several negatives, or of the items that its layers take, the mean.
    """
    items = negatives.items.cpu().numpy().reshape(len(users), -1)
    sampled: NDArray[np.float64] = held_out_positives(users[:, None], items, data).mean(1)
    if not isinstance(negatives, Negatives) or negatives.pool_items is None or negatives.mix is None:
        return sampled
    mix: NDArray[np.float64] = negatives.mix.double().cpu().numpy()
    return mix * held_out_positives(users, negatives.pool_items.cpu().numpy(), data) + (1 - mix) * sampled


def held_out_positives(users: NDArray[np.int32], items: NDArray[np.int64], data: CFData) -> NDArray[np.bool_]:
    """Return for each (user, item), broadcast, whether it is a validation or test positive, bool."""
    keys = users.astype(np.int64) * data.items + items
    splits = [split.keys(data.items) for split in (data.validation, data.test) if split is not None]
    return np.any([contains(split, keys) for split in splits], axis=0) if splits else np.zeros(keys.shape, np.bool_)


def _in_batches(edges: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return np.split(edges, range(size, len(edges), size))


def _batch(users: NDArray[np.int32], items: NDArray[np.int32], edges: NDArray[np.int64], device: torch.device) -> Batch:
    user, item, edge = (torch.from_numpy(column.astype(np.int64)).to(device) for column in (users, items, edges))
    return Batch(user, item, edge)
