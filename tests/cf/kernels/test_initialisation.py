"""Where a training starts: by the tables' own sizes, from the seed alone, as the papers have it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import MODELS, Trainer
from hnlm_ray.cf.kernels.initialisation import (
    glorot_linear,
    glorot_uniform,
    linear,
    start_deviation,
    start_tables,
    start_token,
)
from hnlm_ray.cf.training.trainer import LARGE, with_start
from hnlm_ray.config import CFConfig

USERS, ITEMS, DIM = 4000, 500, 32


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def start(nodes, **settings):
    config = CFConfig(**settings)
    return with_start(config, nodes, as_lightgcn=MODELS[config.model].starts_as_lightgcn)


def tables(**settings):
    drawn = start_tables(start(USERS + ITEMS, dim=DIM, **settings), USERS, ITEMS, generator())
    assert (drawn.shape, drawn.dtype) == ((USERS + ITEMS, DIM), torch.float32)
    return torch.split(drawn, [USERS, ITEMS])


def test_by_default_each_table_starts_as_torch_would_draw_it_by_xavier_uniform():
    for part, rows in zip(tables(), (USERS, ITEMS), strict=True):
        theirs = torch.nn.init.xavier_uniform_(torch.empty(rows, DIM))
        assert part.std().item() == pytest.approx(theirs.std().item(), rel=0.02)
        assert part.abs().max().item() == pytest.approx((6 / (rows + DIM)) ** 0.5, rel=0.01)
        assert part.abs().max() <= (6 / (rows + DIM)) ** 0.5
        assert abs(part.mean().item()) < 4 * part.std().item() / part.numel() ** 0.5


def test_auto_is_xavier_but_for_lightgcn_by_pairs_on_a_large_graph():
    assert CFConfig().init == "auto"
    large = start(LARGE + 1, model="lightgcn", loss="bpr")
    assert (large.init, large.init_std) == ("normal", 0.1)
    assert start(LARGE + 1, model="kar") == large.model_copy(update={"model": "kar", "dim": 64})
    for settings, nodes in (
        ({"model": "lightgcn"}, LARGE),
        ({"model": "mf"}, LARGE + 1),
        ({"model": "sgl"}, LARGE + 1),
        ({"model": "simgcl"}, LARGE + 1),
        ({"model": "lightgcn", "loss": "softmax"}, LARGE + 1),
    ):
        assert start(nodes, **settings).init == "xavier_uniform"
    given = CFConfig(init="xavier_normal")
    assert with_start(given, LARGE + 1, as_lightgcn=True) is given


def test_the_normal_form_has_the_same_variance_and_no_bound():
    for part, rows in zip(tables(init="xavier_normal"), (USERS, ITEMS), strict=True):
        assert part.std().item() == pytest.approx((2 / (rows + DIM)) ** 0.5, rel=0.02)
        assert part.abs().max() > 3 * part.std()


def test_normal_is_what_every_training_started_from_before_it_could_be_chosen():
    config = CFConfig(dim=DIM, init="normal", init_std=0.1)
    before = torch.randn(USERS + ITEMS, DIM, generator=generator()) * 0.1
    assert torch.equal(start_tables(config, USERS, ITEMS, generator()), before)


def test_the_start_follows_the_seed_and_leaves_torchs_own_stream_alone():
    config = CFConfig(dim=DIM, init="xavier_uniform")
    own = torch.get_rng_state()
    first, again = (start_tables(config, USERS, ITEMS, generator(1)) for _ in range(2))
    linear(3, 4, 1.0, generator())
    glorot_linear(3, 4, generator())
    assert torch.equal(first, again)
    assert not torch.equal(first, start_tables(config, USERS, ITEMS, generator(2)))
    assert torch.equal(own, torch.get_rng_state())


def test_what_joins_a_table_starts_with_its_deviation():
    config = CFConfig(dim=DIM, init="xavier_uniform")
    assert start_deviation(config, ITEMS) == pytest.approx((2 / (ITEMS + DIM)) ** 0.5)
    assert start_deviation(CFConfig(init="normal", init_std=0.3), ITEMS) == 0.3
    tokens = torch.cat([start_token(config, ITEMS, generator(seed)) for seed in range(200)])
    assert tokens.std().item() == pytest.approx(start_deviation(config, ITEMS), rel=0.05)


def test_weights_of_layers_are_glorots():
    weights = glorot_uniform((3, 2, 40, 60), generator())
    assert weights.abs().max().item() == pytest.approx((6 / 100) ** 0.5, rel=0.01)
    layer = glorot_linear(40, 60, generator())
    theirs = torch.nn.init.xavier_uniform_(torch.empty(60, 40))
    assert layer.weight.std().item() == pytest.approx(theirs.std().item(), rel=0.05)
    assert not layer.bias.any()


@pytest.mark.parametrize("model", MODELS)
def test_every_model_starts_as_the_configuration_says(model, texted):
    users = np.arange(texted.users)
    data = replace(texted, triples=np.stack([users, users % 7, users % 11 + 7], axis=1))
    small, large = (
        Trainer(data, CFConfig(model=model, init="normal", init_std=std), 1).model.embeddings() for std in (0.01, 0.3)
    )
    first = slice(64)  # of ngcf, whose other layers have unit length
    for ours, theirs in zip(small, large, strict=True):
        assert theirs[:, first].std() > 20 * ours[:, first].std()


def test_a_state_of_before_the_start_could_be_chosen_is_refused(data):
    trainer = Trainer(data, CFConfig(model="mf"), 1)
    trainer.run_epoch()
    state = trainer.state_dict()
    del state["trained_by"]["init"]
    with pytest.raises(InputError, match=r"of a version that had no cf\.init .* start anew"):
        Trainer(data, CFConfig(model="mf"), 1).load_state_dict(state)
    spread = {"init": "normal", "init_std": 0.1}
    normal = Trainer(data, CFConfig(model="mf", **spread), 1).state_dict()
    with pytest.raises(InputError, match=r"cf\.init_std 0\.1, this training has 0\.3"):
        Trainer(data, CFConfig(model="mf", init="normal", init_std=0.3), 1).load_state_dict(normal)
    with pytest.raises(InputError, match=r"cf\.adam "):
        Trainer(data, CFConfig(model="mf", adam={"beta_1": 0.5}, **spread), 1).load_state_dict(normal)
    with pytest.raises(InputError, match=r"cf\.init 'xavier_uniform', this training has 'normal'"):
        Trainer(data, CFConfig(model="mf", init="normal"), 1).load_state_dict(trainer.state_dict())
