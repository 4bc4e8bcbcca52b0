"""The final training: vectors that rank as the model does, and what is advised after one that diverged."""

import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import StageError
from hnlm_ray.cf import CFData, Positives, open_training
from hnlm_ray.config import CFConfig, TuneConfig
from hnlm_ray.recommend import final_model
from hnlm_ray.recommend.final_model import Winner
from hnlm_ray.workspace import Workspace

DATA = CFData(3, 9, Positives.from_pairs([0, 0, 1, 2], [0, 1, 2, 3], 3))


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "softmax"},
        {"loss": "softmax", "softmax": {"magnitude": 0}},
        {"loss": "sampled_softmax"},
        {"model": "ials", "epochs": 3},
        {"sampler": "dns"},
    ],
    ids=str,
)
def test_the_vectors_rank_as_the_model_does(tmp_path, monkeypatch, settings):
    config, written = CFConfig(dim=4, **settings), []
    workspace = Workspace.open(str(tmp_path))
    job = final_model._Job(Winner("x", "rns", config, 3), TuneConfig(), 1, "train", workspace, "a" * 64)
    monkeypatch.setattr(final_model, "write_model", lambda *model: written.extend(model[3:]))
    assert len(list(final_model._trained(job, DATA))) == 3
    trainer = open_training(DATA, config, 1)
    for _ in range(3):
        trainer.run_epoch()
    users, items = written
    assert np.allclose(users @ items.T, trainer.scorer().scores(torch.arange(3)), atol=1e-6)
    if "loss" in settings:  # trained by the cosine: users of length 1, items of the power of theirs that ranks
        assert np.allclose(np.linalg.norm(users, axis=1), 1)
        assert (np.linalg.norm(items, axis=1) == pytest.approx(1)) == (config.softmax.magnitude == 0)


@pytest.mark.parametrize(
    ("train_on", "advice"),
    [
        ("all", "set recommend.train_on=train or another seed, or leave dns out of tune.methods"),
        ("train", "set another seed, or leave dns out of tune.methods"),
    ],
)
def test_other_rows_are_advised_only_where_all_were_trained_on(tmp_path, train_on, advice):
    winner = Winner("lightgcn-dns", "dns", CFConfig(dim=4, lr=1e38, sampler="dns"), 9)
    workspace = Workspace.open(str(tmp_path))
    job = final_model._Job(winner, TuneConfig(cpus_per_trial=1), 1, train_on, workspace, "a" * 64)
    with pytest.raises(StageError, match="lightgcn-dns diverged") as raised:
        list(final_model._trained(job, DATA))
    assert str(raised.value).endswith(f"): {advice}")
