"""Many small trainings of one configuration: what chance alone makes of a comparison."""

import numpy as np
import torch

from hnlm_ray.cf import CFData, EmbeddingScores, Positives, Trainer, evaluate
from hnlm_ray.config import CFConfig

USERS, ITEMS, TASTES = 300, 200, 6
CONFIG = CFConfig(model="mf", sampler="rns", init="normal", dim=16, lr=0.02, reg=1e-4, batch_size=512, epochs=10)


def films(seed=7):
    """300 users with tastes, 200 items of uneven popularity, about 9,000 positives in three splits."""
    draw = np.random.default_rng(seed)
    tastes = draw.normal(size=(USERS, TASTES)) @ draw.normal(size=(TASTES, ITEMS))
    liking = 0.8 * tastes + draw.normal(size=ITEMS) + draw.gumbel(size=(USERS, ITEMS))
    splits = {"test": [], "validation": [], "train": []}
    for user, count in enumerate(draw.integers(12, 48, USERS)):
        liked = draw.permutation(np.argsort(-liking[user])[:count])
        held = max(2, count // 6)
        for name, items in zip(splits, np.split(liked, [held, 2 * held]), strict=True):
            splits[name] += [(user, item) for item in items]
    return CFData(
        USERS, ITEMS, **{name: Positives.from_pairs(*zip(*rows, strict=True), USERS) for name, rows in splits.items()}
    )


def trained(data, seed, start=None, **changes):
    """The final scores of one training; ``start``: the seed of its first embeddings, if it is another one."""
    config = CONFIG.model_copy(update=changes)
    trainer = Trainer(data, config, seed)
    if start is not None:
        trainer.load_weights(Trainer(data, config, start).weights())
    for _ in range(config.epochs):
        trainer.run_epoch()
    return trainer.scorer()


def per_user(data, scorer):
    """ndcg@20 of each test user."""
    return evaluate(scorer, data, "test", (20,)).per_user["ndcg@20"]


def spoilt(scorer, users, seed):
    """The same scores, but so many users have another's taste, who changes with the seed."""
    draw = np.random.default_rng(seed)
    order = torch.arange(len(scorer.user_embeddings))
    order[:users] = torch.from_numpy(draw.permutation(len(order))[:users])
    return EmbeddingScores(scorer.user_embeddings[order], scorer.item_embeddings)
