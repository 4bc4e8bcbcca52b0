import torch

from hnlm_ray.cf import MODELS
from hnlm_ray.cf.models import ModelInputs
from hnlm_ray.config import CFConfig


def build(name, data, **values):
    streams = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    return MODELS[name](ModelInputs(data, CFConfig(model=name, **values), *streams, torch.device("cpu")))


def test_mf_is_its_table_users_first(data):
    model = build("mf", data, dim=5)
    users, items = model.embeddings()
    assert (users.shape, items.shape) == ((data.users, 5), (data.items, 5))
    assert torch.equal(torch.cat([users, items]), model.table)


def test_lightgcn_without_layers_is_mf(data):
    assert torch.equal(build("lightgcn", data, layers=0)(), build("mf", data)())
    assert not torch.equal(build("lightgcn", data, layers=1)(), build("mf", data)())


def test_embeddings_are_copies(data):
    model = build("mf", data)
    model.embeddings()[0].zero_()
    assert model.table.abs().min() > 0


def test_the_start_is_normal_with_a_deviation_of_a_tenth(data):
    table = build("mf", data, dim=64).table.detach()
    assert abs(table.std().item() - 0.1) < 0.005
    assert abs(table.mean().item()) < 0.005
