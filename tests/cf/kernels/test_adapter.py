import numpy as np
import pytest
import torch

from hnlm_ray.cf import Adapter


def build(k=12, d=5, hidden=(7,), attention=False, seed=0):
    return Adapter(k, d, hidden, torch.Generator().manual_seed(seed), deviation=0.1, attention=attention)


def vectors(n=6, k=12):
    return torch.nn.functional.normalize(torch.randn(n, k, generator=torch.Generator().manual_seed(1)), dim=1)


@pytest.mark.parametrize("hidden", [(), (7,), (9, 4)])
def test_the_mlp_by_hand(hidden):
    adapter, v = build(hidden=hidden), vectors()
    x = v.double().numpy() * np.sqrt(12)
    layers = [layer for layer in adapter.mlp if isinstance(layer, torch.nn.Linear)]
    assert [layer.out_features for layer in layers] == [*hidden, 5]
    for i, layer in enumerate(layers):
        x = x @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
        x = np.maximum(x, 0) if i < len(hidden) else x
    np.testing.assert_allclose(adapter(v).detach().numpy(), x, atol=1e-6)


@pytest.mark.parametrize("k", [12, 32, 37])
def test_the_attention_by_hand(k):
    attention = build(k=k, attention=True).attention
    x, width = torch.randn(k, generator=torch.Generator().manual_seed(2)), -(-k // 16)
    padded = np.zeros(16 * width)
    padded[:k] = x.double().numpy()
    tokens = padded.reshape(16, width) + attention.position.detach().double().numpy()
    weight, bias = (p.detach().double().numpy() for p in attention.project.parameters())
    query, key, value = np.split(tokens @ weight.T + bias, 3, axis=1)
    odds = np.exp(query @ key.T / np.sqrt(width))
    gathered = odds / odds.sum(1, keepdims=True) @ value
    weight, bias = (p.detach().double().numpy() for p in attention.out.parameters())
    expected = x.double().numpy() + (gathered @ weight.T + bias).ravel()[:k]
    np.testing.assert_allclose(attention(x[None])[0].detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("attention", [False, True])
def test_each_row_depends_on_its_own_vector_alone(attention):
    adapter, v = build(attention=attention), vectors()
    alone = torch.cat([adapter(row[None]) for row in v])
    torch.testing.assert_close(adapter(v), alone, atol=1e-6, rtol=1e-5)
    assert torch.cdist(alone, alone).fill_diagonal_(1).min() > 1e-3


def test_only_the_direction_counts_and_half_precision_is_read():
    adapter, v = build(), vectors()
    torch.testing.assert_close(adapter(v * 7), adapter(v))
    out = adapter(v.half())
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, adapter(v), atol=1e-3, rtol=0)


@pytest.mark.parametrize("attention", [False, True])
def test_the_start_is_about_as_long_as_an_items_embedding(attention):
    adapter = build(k=256, d=64, hidden=(128,), attention=attention)
    assert 0.07 < adapter(vectors(500, 256)).std().item() < 0.2


def test_the_seed_decides_and_the_global_stream_is_left_alone():
    before = torch.random.get_rng_state()
    first, again, other = (build(attention=True, seed=seed)(vectors()) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_no_vector_gives_no_row():
    for attention in (False, True):
        assert build(attention=attention)(torch.empty(0, 12)).shape == (0, 5)
