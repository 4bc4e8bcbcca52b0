"""Runs on planted tastes, with their samplers redrawn on one trained model by what the stage itself calls."""

from dataclasses import replace

import numpy as np
import torch
from made_runs import made_run

from hnlm_ray.cf import CFData, NegativePool, PairVectors, Positives, random_pool, random_vectors, train
from hnlm_ray.cf.training.hardness import Ranked
from hnlm_ray.config import CFConfig
from hnlm_ray.methods.known import METHODS
from hnlm_ray.tune.control_data import read_data
from hnlm_ray.tune.frontier.rows import frontier_rows
from hnlm_ray.tune.frontier.samplers import Winner, redrawn

USERS, ITEMS = 200, 150
TRAINED = {"model": "mf", "dim": 8, "lr": 0.02, "epochs": 30, "patience": 30, "batch_size": 400}


def tastes(seed, noise=0.0):
    """Of the 24 items that each user likes, 8 are in train and 16 held out; the items' text tells what they are.

    Pools are uniform, vectors point anywhere: they mean nothing.
    """
    rng = np.random.default_rng(seed)
    taste, trait = rng.standard_normal((USERS, 4)), rng.standard_normal((ITEMS, 4))
    liked = np.argsort(-(taste @ trait.T + rng.gumbel(size=(USERS, ITEMS))), axis=1)[:, :24]
    seen = rng.permuted(liked, axis=1)
    train_set, validation, test = (
        Positives.from_pairs(np.repeat(np.arange(USERS), part.shape[1]), part.ravel(), USERS)
        for part in (seen[:, :8], seen[:, 8:14], seen[:, 14:])
    )
    text = trait @ rng.standard_normal((4, 12)) + 2 + noise * rng.standard_normal((ITEMS, 12))
    data = CFData(USERS, ITEMS, train_set, validation, test, item_text=text.astype(np.float32))
    return meaningless(data, rng, unit(text))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def meaningless(data, rng, anchors):
    """With a pool and vectors, of random items and directions."""
    users, items = data.train.pairs()
    pairs = len(users)
    pool = NegativePool.from_rows(data.train, users, items, np.zeros(pairs, int), np.ones(pairs), n_items=ITEMS)
    vectors = PairVectors(unit(rng.standard_normal((pairs, 12))), np.arange(pairs, dtype=np.int32), anchors)
    both = replace(data, pool=pool, vectors=vectors)
    seed = int(rng.integers(2**31))
    return replace(both, pool=random_pool(both, seed), vectors=random_vectors(both, seed))


def frozen(data, seed, candidates=8):
    """A model trained by DNS, which every sampler draws on."""
    torch.set_num_threads(1)
    config = CFConfig(sampler="dns", candidates=candidates, **TRAINED)
    return Ranked.of(train(read_data("nothing", data, 0), config, seed).trainer)


def winner(name, **settings):
    method = METHODS[name]
    fixed = {key: value for key, value in method.fixed.items() if "." not in key}
    return Winner(f"mf-{name}", method, CFConfig(**{**TRAINED, **fixed, **settings}), 0.2)


def rows_of(data, model, *winners, controls=(), seed=0):
    """The rows of the table ``frontier`` of these winners; ``controls`` are methods of the run beside theirs."""
    methods = {name: METHODS[name] for name in (*(one.method.name for one in winners), *controls)}
    return frontier_rows(model, redrawn(winners, methods), lambda reads: read_data(reads, data, seed), seed)


def run_with(rows):
    """A finished run with a table ``frontier``; each of its methods has figures of its own."""
    names = {row["method"].replace("-", "_", 1) for row in rows if row["role"] != "reference"}
    return replace(made_run(mf_dns=0.2, **dict.fromkeys(sorted(names - {"mf_dns"}), 0.25)), frontier=rows)
