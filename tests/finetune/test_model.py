"""The model's graph: one pooling whatever the padding, soft tokens in their places, no cast of its statistics."""

import pytest
import torch
from finetune_tables import K, finetune_config, write_tables

from hnlm_ray.finetune.baselines import probe, start_head, states_of
from hnlm_ray.finetune.batches import read_records
from hnlm_ray.finetune.model import Head, new_model, pooled, query_encoder, trained_parameters
from hnlm_ray.finetune.query import Query


@pytest.fixture
def records(tmp_path):
    config = finetune_config(tmp_path)
    return config, read_records(write_tables(tmp_path), "train", query_encoder(config))


@pytest.fixture
def model(records):
    config, train = records
    made = new_model(config, K, 1).eval()
    start_head(made.head, probe(states_of(made, train), train), "random")
    return made


def vectors(model, batch):
    with torch.no_grad():
        return model(batch.queries, batch.users, batch.items)


def test_a_record_has_the_same_vector_alone_and_padded_among_others(records, model):
    _, train = records
    together = vectors(model, train.batch(range(6)))
    alone = torch.cat([vectors(model, train.batch([row])) for row in range(6)])
    assert torch.cosine_similarity(together, alone).min() > 0.99999
    assert torch.cosine_similarity(together[:-1], together[1:]).max() < 0.9999


def test_pooling_takes_the_last_token_that_is_no_padding():
    hidden = torch.arange(24.0).view(2, 4, 3)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    wanted = torch.stack([hidden[0, 3], hidden[1, 1]])
    assert torch.allclose(pooled(hidden, mask), wanted / wanted.norm(dim=1, keepdim=True))


def test_users_and_items_vectors_enter_and_are_told_apart(records, model):
    _, train = records
    batch = train.batch([0, 1])
    swapped = model(batch.queries, batch.items, batch.users)
    other = model(batch.queries, batch.users + 1, batch.items)
    plain = model(batch.queries, batch.users, batch.items)
    for changed in (swapped, other):
        assert torch.cosine_similarity(plain, changed).max() < 0.9999


def test_each_row_gets_its_own_soft_tokens(records, model):
    """Queries of several lengths: an offset by one row would give a row its neighbour's vector."""
    _, train = records
    batch = train.batch(range(5))
    embeddings, _ = model.prompt_embeddings(batch.queries, batch.users, batch.items)
    for row, query in enumerate(batch.queries):
        own = model.projector(batch.users[row : row + 1])[0]
        places = [place for place, one in enumerate(query.ids) if one == -1]
        assert torch.allclose(embeddings[row, places], own, atol=1e-6)


def test_a_query_without_places_for_soft_tokens_takes_none_and_its_neighbours_keep_theirs(records, model):
    _, train = records
    batch = train.batch([0, 1])
    without = Query([one for one in batch.queries[0].ids if one >= 0], 0)
    mixed = model([without, batch.queries[1]], batch.users, batch.items)
    assert torch.allclose(mixed[1], vectors(model, batch)[1], atol=1e-4)
    assert torch.cosine_similarity(mixed[:1], vectors(model, batch)[:1]) < 0.9999


def test_soft_tokens_are_as_long_as_real_ones(model):
    soft = model.projector(torch.randn(50, K))
    real = model.llm.get_input_embeddings().weight
    assert soft.pow(2).mean().sqrt().item() == pytest.approx(real.pow(2).mean().sqrt().item(), rel=0.05)


def test_centre_and_spread_stay_float32_in_a_model_of_any_precision():
    head = Head(16, 4)
    states = torch.randn(40, 16) * 0.01 + 0.5
    head.standardise(states.mean(0), states.std(0))
    before = head.statistics.clone()
    assert torch.equal(head.bfloat16().statistics, before)
    assert torch.allclose(before.view(torch.float32)[0], states.mean(0))


def test_training_reaches_lora_projector_and_head_and_nothing_else(model):
    names = [name for name, _ in trained_parameters(model)]
    assert {name.split(".")[0] for name in names} == {"llm", "projector", "head"}
    assert all("lora_" in name for name in names if name.startswith("llm."))
    batch_names = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert all("lora_" not in name for name in batch_names)
