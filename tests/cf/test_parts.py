"""What samplers, models and losses say of themselves is what they do."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import LOSSES, MODELS, SAMPLERS, SOLVED, Trainer
from hnlm_ray.cf.samplers import HopNegatives, SamplerInputs, SharedNegatives
from hnlm_ray.cf.samplers.base import check_negatives
from hnlm_ray.config import CFConfig
from hnlm_ray.methods.known import METHODS
from hnlm_ray.tune.frontier.rows import sampler_words

SMALL = {"model": "mf", "dim": 4, "batch_size": 50, "candidates": 3, "dns": {"top": 2}}
PARTS = {**SAMPLERS, **MODELS, **SOLVED, **LOSSES}


@pytest.fixture
def bare(make_planted):
    return make_planted(users=20, items=30, per_user=6)


@pytest.fixture
def whole(bare, make_pooled, make_vectored, make_texted):
    return replace(make_vectored(bare), pool=make_pooled(bare).pool, item_text=make_texted(bare).item_text)


def build(name, data, **settings):
    streams = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
    return SAMPLERS[name].open(SamplerInputs(data, CFConfig(**SMALL, sampler=name, **settings), *streams, "cpu"))


@pytest.mark.parametrize("name", PARTS)
def test_what_a_part_reads_is_a_tuple_of_settings(name):
    leaves = CFConfig().model_dump()
    for path in PARTS[name].reads_settings:
        section, _, inner = path.partition(".")
        assert section in leaves
        assert not inner or inner in leaves[section]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_takes_a_guard_and_a_share_of_a_pool_where_it_says_that_it_chooses_among_candidates(whole, name):
    sampler = SAMPLERS[name]
    assert sampler.chooses_among_candidates == ({"guard", "pool_share"} <= {*sampler.reads_settings})
    guarded = CFConfig(**SMALL, sampler=name, guard=1, guard_features="text", pool_share=0.5)
    if sampler.chooses_among_candidates:
        own = build(name, whole, guard=1, guard_features="text", pool_share=0.5)
        assert own.guard is not None
        assert own.pool is not None
    else:
        with pytest.raises(InputError, match="guards the candidates of dns, "):
            Trainer(whole, guarded, 0)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_gives_what_it_says(whole, name):
    trainer = Trainer(whole, CFConfig(**SMALL, sampler=name), 0)
    batch, read = next(trainer._batches()), trainer.model()
    hops = trainer.sampler.reads == "hops"
    given = trainer.sampler.sample(batch, trainer.model.hops() if hops else read)
    check_negatives(name, given, trainer.sampler, batch, whole.items)
    assert isinstance(given, HopNegatives) == hops
    assert SAMPLERS[name].adapts_vectors == (getattr(given, "vector_rows", None) is not None)
    assert SAMPLERS[name].mixes == (getattr(given, "mix", None) is not None)
    assert (trainer.adapted is not None) == SAMPLERS[name].adapts_vectors


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_that_draws_by_text_can_not_do_without_it(bare, whole, name):
    build(name, whole)
    if SAMPLERS[name].draws_by_text:
        with pytest.raises(InputError, match="the data has none"):
            build(name, bare)
    else:
        build(name, bare)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_serves_sampled_softmax_where_it_says_so(whole, name):
    config = CFConfig(**SMALL, sampler=name, loss="sampled_softmax", softmax={"negatives": 3})
    if not SAMPLERS[name].for_sampled_softmax:
        with pytest.raises(InputError, match="draws by rns, pns, in_batch, not"):
            Trainer(whole, config, 0)
        return
    trainer = Trainer(whole, config, 0)
    given = trainer.sampler.sample(next(trainer._batches()), trainer.model())
    assert isinstance(given, SharedNegatives) or given.items.shape[1] == 3
    assert np.isfinite(trainer.run_epoch().loss)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_has_words_and_a_method(name):
    assert sampler_words(CFConfig(sampler=name)) != name
    trained = [METHODS[method].fixed.get("sampler") for method in METHODS]
    assert name in trained


def test_a_loss_reads_tiers_and_distillation_where_it_has_them():
    assert {name for name, loss in LOSSES.items() if "tiers" in loss.reads_settings} == {"bpr", "hinge"}
    assert {name for name, loss in LOSSES.items() if not loss.draws} == {"softmax", "sfcml"}
