"""Tiers: text neighbours of positives rank above the negatives."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import Trainer
from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.kernels.neighbours import nearest_items
from hnlm_ray.cf.objectives.tiers import TextTiers
from hnlm_ray.config import CFConfig

SMALL = {"dim": 8, "batch_size": 100, "lr": 0.01, "model": "mf"}


def test_the_term_written_out(texted):
    config, generator = CFConfig(tiers=0.3, graph_neighbours=4), torch.Generator().manual_seed(3)
    tiers = TextTiers(texted, config, generator, torch.device("cpu"))
    users, items = (torch.from_numpy(part[:60].astype(np.int64)) for part in texted.train.pairs())
    final = torch.randn(texted.users + texted.items, 5, generator=torch.Generator().manual_seed(1))
    negative = torch.randn(60, 2, 5, generator=torch.Generator().manual_seed(2))
    got = tiers.loss(final, Batch(users, items, torch.arange(60)), negative)
    place = torch.randint(4, (60, 1), generator=torch.Generator().manual_seed(3)).squeeze(1).numpy()
    near, known = (
        nearest_items(texted.item_text, 4),
        set(zip(*map(np.ndarray.tolist, texted.train.pairs()), strict=True)),
    )
    total = 0.0
    for row, (user, item) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        start = near.indptr[item] + place[row]
        neighbour, cosine = int(near.indices[start]), near.data[start]
        if cosine > 0 and (user, neighbour) not in known:
            for each in negative[row]:
                lead = final[user] @ final[texted.users + neighbour] - final[user] @ each
                total += float(functional.softplus(-lead))
    assert got.item() == pytest.approx(0.3 * total / 60, rel=1e-5)


def test_a_weight_of_0_changes_nothing_and_above_it_does(texted):
    losses = []
    for tiers in (None, 0.0, 0.2):
        given = {} if tiers is None else {"tiers": tiers}
        trainer = Trainer(texted, CFConfig(**SMALL, **given), 1)
        losses.append([trainer.run_epoch().loss for _ in range(2)])
    assert losses[0] == losses[1] != losses[2]


def test_neighbours_of_liked_items_come_to_rank_above_others(texted):
    found = []
    for tiers in (0.0, 1.0):
        trainer = Trainer(texted, CFConfig(**{**SMALL, "lr": 0.05}, tiers=tiers), 1)
        for _ in range(20):
            trainer.run_epoch()
        scores = trainer.scorer().scores(torch.arange(texted.users)).numpy()
        near = nearest_items(texted.item_text, 10)
        known = np.zeros(scores.shape, bool)
        known[texted.train.pairs()] = True
        neighbours = ((known @ (near.toarray() > 0)) > 0) & ~known
        found.append(scores[neighbours].mean() - scores[~neighbours & ~known].mean())
    assert found[1] > found[0] + 0.1


def test_it_resumes_bit_for_bit(texted):
    config = CFConfig(**SMALL, tiers=0.2, sampler="dns")
    whole, first = Trainer(texted, config, 1), Trainer(texted, config, 1)
    whole.run_epoch()
    first.run_epoch()
    resumed = Trainer(texted, config, 1)
    resumed.load_state_dict(first.state_dict())
    assert resumed.run_epoch().loss == whole.run_epoch().loss


def test_what_has_no_neighbours_or_negatives_of_a_pair_is_refused(data, texted):
    with pytest.raises(InputError, match=r"cf\.tiers needs the items' text"):
        Trainer(data, CFConfig(**SMALL, tiers=0.1), 1)
    for settings in ({"loss": "softmax"}, {"sampler": "mixgcf", "model": "lightgcn"}):
        with pytest.raises(InputError, match=r"cf\.tiers 0\.1 ranks above"):
            Trainer(texted, CFConfig(**{**SMALL, **settings}, tiers=0.1), 1)
    alike = replace(texted, item_text=np.ones_like(texted.item_text))
    assert np.isfinite(Trainer(alike, CFConfig(**SMALL, tiers=0.1), 1).run_epoch().loss)
