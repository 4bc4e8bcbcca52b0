import torch

from hnlm_ray.cf import MODELS
from hnlm_ray.cf.models import ModelInputs
from hnlm_ray.config import CFConfig


def build(name, data, **values):
    streams = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    config = CFConfig(model=name, init="xavier_uniform", **values)
    return MODELS[name](ModelInputs(data, config, *streams, torch.device("cpu")))


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
