"""How much of a user's list fold-in finds without training on the user: MovieLens 100K, users held out wholly."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
import torch

from hnlm_ray.cf import CFData, Positives, train
from hnlm_ray.cf.evaluate.metrics import ranking_metrics
from hnlm_ray.config import CFConfig, MovieLensSource, PrepareConfig
from hnlm_ray.prepare.filter import kept_rows
from hnlm_ray.recommend.model_tables import ModelRows
from hnlm_ray.recommend.ranking import Catalogue
from hnlm_ray.recommend.recommender import fit_fold_in, history_means
from hnlm_ray.sources.publishers.movielens import read_interactions
from hnlm_ray.sources.readers.rejects import Rejects

SEEDS, CORE, DIM, K = (0, 1, 2), 10, 64, 20
METHODS = ("popularity", "plain mean", "map", "als", "in the model")


def ratings():
    """Positives as the demo prepares them, of all users: (user, item) by index."""
    rows = pa.concat_tables(read_interactions(MovieLensSource(format="movielens_100k"), Rejects()))
    rows, liked, _ = kept_rows(rows, PrepareConfig(min_rating=4))
    kept = rows.filter(pa.array(liked))
    pairs = np.array([kept["user_id"].to_pylist(), kept["item_id"].to_pylist()]).T
    while True:
        few = [values[counts < CORE] for values, counts in (np.unique(side, return_counts=True) for side in pairs.T)]
        keep = ~np.isin(pairs[:, 0], few[0]) & ~np.isin(pairs[:, 1], few[1])
        if keep.all():
            return tuple(np.unique(side, return_inverse=True)[1] for side in pairs.T)
        pairs = pairs[keep]


@dataclass
class World:
    """A fifth of the users is held out: a fifth of each one's items is to be found from the rest."""

    users: np.ndarray
    items: np.ndarray
    new: np.ndarray  # bool[users]
    history: np.ndarray  # bool[pairs], of new users
    wanted: np.ndarray  # bool[pairs], of new users

    @classmethod
    def drawn(cls, users, items, seed):
        draw = np.random.default_rng(seed)
        size = users.max() + 1
        new = np.isin(np.arange(size), draw.permutation(size)[: size // 5])
        order = np.lexsort((draw.random(len(users)), users))
        place = np.empty(len(users), int)
        degree = np.bincount(users)
        place[order] = np.arange(len(users)) - np.repeat(np.cumsum(degree) - degree, degree)
        wanted = new[users] & (place < np.maximum(1, np.round(degree[users] * 0.2)))
        return cls(users, items, new, new[users] & ~wanted, wanted)

    def model(self, pairs, seed):
        """Train LightGCN on some pairs for the epochs that a tenth of them chooses."""
        present, users = np.unique(self.users[pairs], return_inverse=True)
        n_users, n_items, items = len(present), int(self.items.max()) + 1, self.items[pairs]

        def of(part):
            return Positives.from_pairs(users[part], items[part], n_users)

        held = np.random.default_rng(seed).random(len(users)) < 0.1
        config = CFConfig(sampler="dns", dim=DIM, lr=2e-3, epochs=150, patience=5)
        best = train(CFData(n_users, n_items, of(~held), of(held)), config, seed).best_epoch
        every = np.ones(len(users), bool)
        final = config.model_copy(update={"epochs": best, "validation": "none"})
        made = train(CFData(n_users, n_items, of(every)), final, seed)
        rows = ModelRows(np.arange(n_items), made.item_embeddings.numpy(), np.bincount(items, minlength=n_items))
        return present, users, made.user_embeddings.numpy(), rows


def folded_by_als(items, rows, seen, size, *, weight=0.3, ridge=1.0):
    """Implicit least squares against the items' vectors (Hu, Koren and Volinsky 2008), unseen items weighted down."""
    warm = items.matrix[~items.cold].astype(np.float64)
    gram = warm.T @ warm
    penalty = ridge * weight * np.trace(gram) / len(gram) * np.eye(len(gram))
    own = [items.matrix[seen[(rows == row) & ~items.cold[seen]]].astype(np.float64) for row in range(size)]
    systems = (weight * gram + (1 - weight) * each.T @ each + penalty for each in own)
    return np.array([np.linalg.solve(system, each.sum(0)) for system, each in zip(systems, own, strict=True)])


def figures(world, seed):
    known = ~world.new[world.users]
    _, rows, vectors, items = world.model(known, seed)
    place = np.cumsum(world.new) - 1
    size, row, seen = int(world.new.sum()), place[world.users[world.history]], world.items[world.history]
    wanted = Positives.from_pairs(place[world.users[world.wanted]], world.items[world.wanted], size)

    def ndcg(vectors, items):
        found, _ = Catalogue(items).best(np.asarray(vectors, np.float32), row, seen, K)
        hits = np.array([np.isin(found[u], wanted.items[wanted.indptr[u] : wanted.indptr[u + 1]]) for u in range(size)])
        return float(ranking_metrics(hits, wanted.degree, [K])["ndcg@20"].mean())

    means = history_means(items, row, seen, size)
    fold_in = fit_fold_in([(history_means(items, rows, world.items[known], len(vectors)), vectors)])
    popular = ModelRows(items.index, items.positives[:, None].astype(np.float32), items.positives)
    present, _, trained, theirs = world.model(known | world.history, seed)
    return {
        "popularity": ndcg(np.ones((size, 1)), popular),
        "plain mean": ndcg(means, items),
        "map": ndcg(means @ fold_in, items),
        "als": ndcg(folded_by_als(items, row, seen, size), items),
        "in the model": ndcg(trained[np.isin(present, np.flatnonzero(world.new))], theirs),
    }


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_folded_in_users_get_nearly_what_users_of_the_model_get():
    torch.set_num_threads(1)
    users, items = ratings()
    found = [figures(World.drawn(users, items, seed), seed) for seed in SEEDS]
    mean = {name: float(np.mean([each[name] for each in found])) for name in METHODS}
    for name in METHODS:
        print(f"{name:<14} {mean[name]:.4f} +- {np.std([each[name] for each in found], ddof=1):.4f}")
    assert mean["map"] > 1.5 * mean["popularity"]
    assert mean["map"] > mean["plain mean"]
    assert mean["map"] > 0.95 * mean["in the model"]
