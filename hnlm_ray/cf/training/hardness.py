"""How hard the negatives of a training are, and how many of them are false."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import contains
from hnlm_ray.cf.losses import PAIR_LOSSES
from hnlm_ray.cf.objectives.adapted import AdaptedNegatives
from hnlm_ray.cf.samplers import Batch, Sampler
from hnlm_ray.cf.trainable import Stepped
from hnlm_ray.cf.training.named_items import Meaning, NearestItems, named_items
from hnlm_ray.cf.training.train import Training
from hnlm_ray.cf.training.trainer import Trainer
from hnlm_ray.config import CFConfig

PAIRS: Final = 20_000


@dataclass(frozen=True)
class Hardness:
    """Of one negative for each of some training pairs.

    Attributes
    ----------
    hardness
        Share of the negatives that rank above their positive, equal scores counting one half: 0.5 where negatives
        rank as high as positives, near 0 where they are easy. It rests on the order of a user's items alone, so the
        scale of the embeddings does not change it.
    false_negative_share
        Share of the negatives that are held-out (validation or test) positives of their user; none where nothing is
        held out.
    """

    hardness: float
    false_negative_share: float | None


@dataclass(frozen=True)
class Drawn:
    """A negative for each of some training pairs.

    Attributes
    ----------
    users
        int32[n], the pairs' users.
    wins
        float64[n] in 0 to 1: how much of the negative ranks above the positive, one half where the scores are equal.
    false
        float64[n] in 0 to 1: how much of the negative is a held-out positive of the user.
    """

    users: NDArray[np.int32]
    wins: NDArray[np.float64]
    false: NDArray[np.float64]


@dataclass(frozen=True)
class Ranked:
    """A model as it ranks now.

    ``final`` float32[users + items, width] are its embeddings; ``hops`` makes those of its layers, float32[users +
    items, layers + 1, dim], or none where it has no such; ``batch_size`` is that of its training, from whose batches
    in-batch negatives come.
    """

    data: CFData
    final: Tensor
    hops: Callable[[], Tensor | None]
    batch_size: int

    @classmethod
    @torch.no_grad()
    def of(cls, trainer: Trainer) -> Ranked:
        """Return what a training ranks with now, a late fusion apart."""
        ranked_by = trainer.scorer()
        final = torch.cat([ranked_by.user_embeddings, ranked_by.item_embeddings])
        return cls(trainer.data, final, trainer.model.hops, trainer.config.batch_size)


@torch.no_grad()
def measure_hardness(training: Training, seed: int, most: int = PAIRS) -> Hardness | None:
    """Draw a negative for up to ``most`` training pairs with the training's own sampler on its final embeddings.

    Counted after everything else, and nothing is chosen by it: it reads held-out positives. A negative counts by the
    items that it is made of (:func:`~hnlm_ray.cf.training.named_items.named_items`): a mix of two items ranks as high
    and is as false as its parts together; a pair's vector counts as the item that is nearest to it in the adapted
    space, by cosine, of those that are no training positives of the user. None of a training that draws no negative for
    a pair.
    """
    trainer = training.trainer
    if not isinstance(trainer, Trainer) or trainer.sampler is None or not draws_for_pairs(trainer.config):
        return None
    return _measured(trainer, trainer.sampler, Ranked.of(trainer), seed, most)


@torch.no_grad()
def measure_hardness_now(stepped: Stepped, seed: int, most: int = PAIRS) -> Hardness | None:
    """Measure a running training, between two epochs, as :func:`measure_hardness` does; it goes on unchanged.

    What is drawn comes from streams of ``seed`` and the epoch, the pairs are the same in all epochs. The figure reads
    held-out positives: it is to be shown, and nothing may be chosen by it.
    """
    if not isinstance(stepped, Trainer) or not draws_for_pairs(stepped.config):
        return None
    own = int(np.random.default_rng([seed, stepped.epoch]).integers(2**62))
    with stepped.drawing_apart(own) as sampler:
        return None if sampler is None else _measured(stepped, sampler, Ranked.of(stepped), seed, most)


def _measured(trainer: Trainer, sampler: Sampler, model: Ranked, seed: int, most: int) -> Hardness:
    data = model.data
    meaning = None if trainer.adapted is None else _adapted_meaning(trainer.adapted, model.final[data.users :], data)
    drawn = draw_negatives(sampler, model, choose_pairs(data, seed, most), meaning)
    nothing_held_out = data.validation is None and data.test is None
    return Hardness(float(drawn.wins.mean()), None if nothing_held_out else float(drawn.false.mean()))


def _adapted_meaning(adapted: AdaptedNegatives, items: Tensor, data: CFData) -> Meaning:
    """Return the item nearest to the adapted vector among the model's ``items`` float32[items, width]."""
    nearest = NearestItems(items, data)
    return lambda users, rows: nearest.of(adapted.adapter(adapted.vectors.index_select(0, rows)), users)


@torch.no_grad()
def draw_negatives(sampler: Sampler, model: Ranked, pairs: NDArray[np.int64], meaning: Meaning | None = None) -> Drawn:
    """Draw a negative for each training pair (edges int64[n], one at least) by a model that stays as it is.

    ``meaning`` says which item a vector stands for, where the sampler gives vectors. InputError where the sampler needs
    the layers of a model that has none, or its negatives belong to no pair.
    """
    embeddings = model.hops() if sampler.reads == "hops" else model.final
    if embeddings is None:
        raise InputError("its sampler mixes layers and this model's embeddings are no mean of layers")
    users, items = model.data.train.pairs()
    wins, false = list[NDArray[np.float64]](), list[NDArray[np.float64]]()
    for edges in np.split(pairs, range(model.batch_size, len(pairs), model.batch_size)):
        batch = _batch(users[edges], items[edges], edges, model.final.device)
        named = named_items(sampler.sample(batch, embeddings), batch, meaning)
        parts = named.parts.cpu().numpy()
        wins.append((negative_wins(model, batch, named.items).cpu().numpy() * parts).sum(1))
        false.append((held_out_positives(users[edges][:, None], named.items.cpu().numpy(), model.data) * parts).sum(1))
    return Drawn(users[pairs], np.concatenate(wins), np.concatenate(false))


def choose_pairs(data: CFData, seed: int, most: int) -> NDArray[np.int64]:
    """Return the edges of up to ``most`` training pairs for which a negative exists, int64, in the order of a seed.

    In that order they are cut into batches, so that the users of a batch are mixed as they are in training.
    """
    users, _ = data.train.pairs()
    edges = np.flatnonzero(data.train.degree[users] < data.items)
    return np.random.default_rng(seed).permutation(edges)[:most]


def negative_wins(model: Ranked, batch: Batch, items: Tensor) -> Tensor:
    """Return for ``items`` int64[n, k] of n pairs whether each ranks above the positive, float64; 0.5: equal scores."""
    users = model.data.users
    apart = model.final[users + items] - model.final[users + batch.items].unsqueeze(1)
    lead = (apart * model.final[batch.users].unsqueeze(1)).sum(2)
    return (lead > 0).double() + 0.5 * (lead == 0).double()


def draws_for_pairs(config: CFConfig) -> bool:
    """Tell whether a training's negatives belong to a pair, one by one: a softmax shares or sums them."""
    return config.loss in PAIR_LOSSES


def held_out_positives(users: NDArray[np.int32], items: NDArray[np.int64], data: CFData) -> NDArray[np.bool_]:
    """Return for each (user, item), broadcast, whether it is a validation or test positive, bool."""
    keys = users.astype(np.int64) * data.items + items
    splits = [split.keys(data.items) for split in (data.validation, data.test) if split is not None]
    return np.any([contains(split, keys) for split in splits], axis=0) if splits else np.zeros(keys.shape, np.bool_)


def _batch(users: NDArray[np.int32], items: NDArray[np.int32], edges: NDArray[np.int64], device: torch.device) -> Batch:
    user, item, edge = (torch.from_numpy(column.astype(np.int64)).to(device) for column in (users, items, edges))
    return Batch(user, item, edge)
