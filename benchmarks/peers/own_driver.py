# ruff: noqa: INP001 - a file run like those of the peers
"""Drives this engine on one thread, by the same commands as the peers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from serving import Clock, read_pairs, read_sizes, serve, some_batches, versions

from hnlm_ray.cf import CFData, EmbeddingScores, Positives, Trainer, evaluate, top_items
from hnlm_ray.config import CFConfig


class TimedTrainer(Trainer):
    """A trainer that can stop within an epoch."""

    def run_batches(self, count: int) -> dict[str, Any]:
        """Train on some batches and return the clock's reading."""
        clock, total = Clock(), torch.zeros(())
        self.model.train()
        self.model.start_epoch()
        for batch in some_batches(iter(self._batches()), count, clock, lambda one: len(one.users)):
            total += self._step(batch) * len(batch.users)
        return clock.stop()


class Engine:
    """One data set and one model at a time."""

    def open(self, folder: str, settings: dict[str, Any]) -> dict[str, Any]:
        """Read the pairs and build a model."""
        clock = Clock()
        self.data = read_data(folder)
        self.trainer = TimedTrainer(self.data, CFConfig(**settings), 0)
        return clock.stop() | {"pairs": len(self.trainer.pairs)}

    def train(self, batches: int | None) -> dict[str, Any]:
        """Train on some batches, or on a whole epoch where ``batches`` is none."""
        if batches is not None:
            return self.trainer.run_batches(batches)
        clock = Clock()
        loss = self.trainer.run_epoch().loss
        return clock.stop() | {"pairs": len(self.trainer.pairs), "loss": loss}

    def sample(self) -> dict[str, Any]:
        """Draw an epoch's triples through the loader; a uniform sampler looks at no embedding."""
        clock, nothing = Clock(), torch.empty(0)
        for batch in self.trainer._batches():  # noqa: SLF001 - the loader alone, without a step
            clock.pairs += len(self.trainer.sampler.sample(batch, nothing).items)
        return clock.stop()

    def evaluate(self) -> dict[str, Any]:
        """Rank for all test users and measure."""
        clock = Clock()
        means = self.trainer.evaluate("test", (20,)).means
        return clock.stop() | {name: means[name] for name in ("recall@20", "ndcg@20")}

    def evaluate_factors(self) -> dict[str, Any]:
        """Do the same with standard normal factors."""
        scorer = self._random_factors()
        clock = Clock()
        means = evaluate(scorer, self.data, "test", (20,)).means
        return clock.stop() | {"ndcg@20": means["ndcg@20"]}

    def rank(self) -> dict[str, Any]:
        """Take the best 20 of all test users without training items, with the same factors."""
        scorer, users = self._random_factors(), self.data.held_out("test").active_users()
        clock = Clock()
        top_items(scorer, users, (self.data.train,), 20)
        return clock.stop()

    def rank_some(self, users: int) -> dict[str, Any]:
        """Take the best 20 of some users without training items, by the model as it is."""
        chosen = np.random.default_rng(0).choice(self.data.users, users, replace=False)
        clock = Clock()
        top_items(self.trainer.scorer(), chosen, (self.data.train,), 20)
        return clock.stop()

    def _random_factors(self) -> EmbeddingScores:
        draw, dim = np.random.default_rng(0), self.trainer.config.dim
        tables = (draw.standard_normal((rows, dim), np.float32) for rows in (self.data.users, self.data.items))
        return EmbeddingScores(*(torch.from_numpy(table) for table in tables))


def read_data(folder: str) -> CFData:
    """Read training pairs and, where there are any, test pairs."""
    users, items = read_sizes(folder)
    train = Positives.from_pairs(*read_pairs(folder, "train").T, users)
    has_test = (Path(folder) / "test.npy").exists()
    return CFData(
        users, items, train, None, Positives.from_pairs(*read_pairs(folder, "test").T, users) if has_test else None
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    engine = Engine()
    serve(
        {
            "versions": lambda: versions("hnlm_ray", "torch", "numpy"),
            "open": engine.open,
            "train": engine.train,
            "sample": engine.sample,
            "evaluate": engine.evaluate,
            "evaluate_factors": engine.evaluate_factors,
            "rank": engine.rank,
            "rank_some": engine.rank_some,
        }
    )
