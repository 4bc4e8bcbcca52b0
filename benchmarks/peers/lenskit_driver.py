# ruff: noqa: INP001 - a file run by another environment's Python
"""Drives LensKit's FlexMF on one thread: BPR with or without LightGCN's convolution, AdamW."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch
from lenskit.data import from_interactions_df
from lenskit.flexmf import FlexMFImplicitScorer
from lenskit.training import TrainingOptions
from serving import Clock, read_pairs, serve, some_batches, versions

PRESETS = {"mf": "bpr", "lightgcn": "lightgcn"}


class Peer:
    """One data set and one model at a time."""

    def open(
        self, folder: str, model: str, *, dim: int, layers: int, batch: int, lr: float, reg: float
    ) -> dict[str, Any]:
        """Read the pairs and build a model; AdamW's weight decay stands for the L2 of the others."""
        frame = pd.DataFrame(read_pairs(folder, "train"), columns=["user_id", "item_id"])
        settings = {"preset": PRESETS[model], "embedding_size": dim, "batch_size": batch, "learning_rate": lr}
        if model == "lightgcn":
            settings["convolution_layers"] = layers
        scorer = FlexMFImplicitScorer(regularization=reg, reg_method="AdamW", **settings)
        # Uncompiled: torch.compile needs a C++ compiler on the machine.
        options = TrainingOptions(device="cpu", rng=0, environment={"LK_TORCH_COMPILE": "0"})
        self.trainer = scorer.create_trainer(from_interactions_df(frame), options)
        return {"pairs": len(frame)}

    def train(self, batches: int | None) -> dict[str, Any]:
        """Train on some batches, or on a whole epoch where ``batches`` is none."""
        trainer, clock = self.trainer, Clock()
        if batches is None:
            trainer.train_epoch()
            return clock.stop() | {"pairs": trainer.data.n_samples}
        for batch in some_batches(iter(trainer.epoch_data().batches()), batches, clock, lambda one: len(one.users)):
            trainer.train_batch(batch)
            trainer.opt.zero_grad()
        return clock.stop()


if __name__ == "__main__":
    torch.set_num_threads(1)
    peer = Peer()
    serve(
        {
            "versions": lambda: versions("lenskit", "torch", "numpy"),
            "open": peer.open,
            "train": peer.train,
        }
    )
