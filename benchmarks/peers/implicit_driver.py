# ruff: noqa: INP001 - a file run by another environment's Python
"""Drives implicit on one thread: full ranking with given factors, BPR (plain SGD) and ALS."""

from __future__ import annotations

from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.evaluation import ranking_metrics_at_k
from serving import Clock, serve, to_csr, versions
from threadpoolctl import threadpool_limits


class Peer:
    """One data set at a time."""

    def open(self, folder: str, dim: int, lr: float, reg: float) -> dict[str, Any]:
        """Read the pairs; ranking takes standard normal factors of length ``dim``."""
        self.train_csr, self.test_csr = to_csr(folder, "train"), to_csr(folder, "test")
        self.dim, self.lr, self.reg = dim, lr, reg
        draw = np.random.default_rng(0)
        users, items = self.train_csr.shape
        self.model = AlternatingLeastSquares(factors=dim, num_threads=1)
        self.model.user_factors = draw.standard_normal((users, dim), np.float32)
        self.model.item_factors = draw.standard_normal((items, dim), np.float32)
        self.users = np.flatnonzero(np.diff(self.test_csr.indptr))
        return {"pairs": self.train_csr.nnz}

    def train(self) -> dict[str, Any]:
        """Train BPR for an epoch; there is no Adam here."""
        model = BayesianPersonalizedRanking(self.dim, self.lr, self.reg, iterations=1, num_threads=1, random_state=0)
        clock = Clock()
        model.fit(self.train_csr, show_progress=False)
        return clock.stop() | {"pairs": self.train_csr.nnz}

    def evaluate(self) -> dict[str, Any]:
        """Rank for all test users and measure, as the library does."""
        clock = Clock()
        found = ranking_metrics_at_k(
            self.model, self.train_csr, self.test_csr, K=20, show_progress=False, num_threads=1
        )
        return clock.stop() | {"ndcg@20": float(found["ndcg"])}

    def rank(self, users_at_once: int) -> dict[str, Any]:
        """Take the best 20 of all test users without training items, ``users_at_once`` users a call."""
        clock = Clock()
        for start in range(0, len(self.users), users_at_once):
            users = self.users[start : start + users_at_once]
            self.model.recommend(users, self.train_csr[users], N=20)
        return clock.stop()

    def export(self, path: str, model: str, settings: dict[str, Any]) -> dict[str, Any]:
        """Train ``als`` or ``bpr`` by the library's own settings but those given; write its factors."""
        kind = {"als": AlternatingLeastSquares, "bpr": BayesianPersonalizedRanking}[model]
        fitted = kind(num_threads=1, random_state=0, **settings)
        clock = Clock()
        fitted.fit(self.train_csr, show_progress=False)
        seconds = clock.stop()
        np.savez(path, users=np.asarray(fitted.user_factors), items=np.asarray(fitted.item_factors))
        return seconds


if __name__ == "__main__":
    peer = Peer()
    with threadpool_limits(1):
        serve(
            {
                "versions": lambda: versions("implicit", "numpy", "scipy"),
                "open": peer.open,
                "train": peer.train,
                "evaluate": peer.evaluate,
                "rank": peer.rank,
                "export": peer.export,
            }
        )
