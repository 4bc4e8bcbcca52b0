# ruff: noqa: INP001 - a file run by another environment's Python
"""Drives LensKit's FlexMF on one thread: BPR with or without LightGCN's convolution, AdamW."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from lenskit.data import from_interactions_df
from lenskit.flexmf import FlexMFImplicitScorer
from lenskit.training import TrainingOptions
from serving import Clock, read_pairs, read_sizes, serve, some_batches, versions

PRESETS = {"mf": "bpr", "lightgcn": "lightgcn"}


class Peer:
    """One data set and one model at a time."""

    def open(
        self, folder: str, model: str, *, dim: int, layers: int, batch: int, lr: float, reg: float, seed: int = 0
    ) -> dict[str, Any]:
        """Read the pairs and build a model; AdamW's weight decay stands for the L2 of the others."""
        frame = pd.DataFrame(read_pairs(folder, "train"), columns=["user_id", "item_id"])
        settings = {"preset": PRESETS[model], "embedding_size": dim, "batch_size": batch, "learning_rate": lr}
        if model == "lightgcn":
            settings["convolution_layers"] = layers
        scorer = FlexMFImplicitScorer(regularization=reg, reg_method="AdamW", **settings)
        # Uncompiled: torch.compile needs a C++ compiler on the machine.
        options = TrainingOptions(device="cpu", rng=seed, environment={"LK_TORCH_COMPILE": "0"})
        self.trainer = scorer.create_trainer(from_interactions_df(frame), options)
        self.sizes = read_sizes(folder)
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

    def export(self, path: str) -> dict[str, Any]:
        """Write the final factors in our numbering; a user or item without a training pair gets zeros."""
        model, component, data = self.trainer.model, self.trainer.component, self.trainer.data
        with torch.no_grad():
            own = {"users": model.u_embed.weight, "items": model.i_embed.weight}
            if model.layers:
                model.update_convolution(data.ui_matrix, data.iu_matrix)
                own = {"users": model.u_layers.mean(0), "items": model.i_layers.mean(0)}
        tables = {}
        for name, ids, rows in zip(own, (component.users.ids(), component.items.ids()), self.sizes, strict=True):
            tables[name] = np.zeros((rows, own[name].shape[1]), np.float32)
            tables[name][np.asarray(ids, np.int64)] = own[name].detach().numpy()
        np.savez(path, **tables)
        return {}


if __name__ == "__main__":
    torch.set_num_threads(1)
    peer = Peer()
    serve(
        {
            "versions": lambda: versions("lenskit", "torch", "numpy"),
            "open": peer.open,
            "train": peer.train,
            "export": peer.export,
        }
    )
