"""What a training is said not to read changes nothing, and what it is said to read changes something."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import BaseModel

from hnlm_ray.cf import LOSSES, MODELS, SAMPLERS, SOLVED, EmbeddingScores, open_training
from hnlm_ray.cf.closed_form.base import OF_GRADIENTS
from hnlm_ray.cf.training.settings_read import READERS, unread_settings
from hnlm_ray.config import CFConfig

BASE = {"dim": 8, "batch_size": 100, "epochs": 2, "lr": 0.01}
KINDS = {
    "lightgcn": {"model": "lightgcn"},
    "mf-dns": {"model": "mf", "sampler": "dns"},
    "mf-normal": {"model": "mf", "init": "normal", "init_std": 0.2},
    "mf-adagrad": {"model": "mf", "optimiser": "adagrad"},
    "mf-softmax-dot": {"model": "mf", "loss": "softmax", "softmax": {"similarity": "dot"}},
    "mf-softmax": {"model": "mf", "loss": "softmax"},
    "lightgcn-sampled": {"model": "lightgcn", "loss": "sampled_softmax", "sampler": "pns"},
    "ngcf-srns": {"model": "ngcf", "sampler": "srns"},
    "sgl-hinge": {"model": "sgl", "loss": "hinge"},
    "simgcl": {"model": "simgcl"},
    "mf-ahns": {"model": "mf", "sampler": "ahns", "ahns": {"alpha": 0.3, "beta": 0.02}},
    "xsimgcl-dns_mn": {"model": "xsimgcl", "sampler": "dns_mn"},
    "lightgcn-dins": {"model": "lightgcn", "sampler": "dins"},
    "mf-pool": {"model": "mf", "sampler": "pool", "base_sampler": "pns"},
    "mf-vectors": {"model": "mf", "sampler": "vectors", "alpha": 0.5},
    "alpharec": {"model": "alpharec"},
    "kar": {"model": "kar"},
    "rlmrec_con": {"model": "rlmrec_con"},
    "rlmrec_gen": {"model": "rlmrec_gen"},
    "llmrec": {"model": "llmrec", "text": {"triples": 0.5}},
    "sfcml": {"model": "lightgcn", "loss": "sfcml"},
    "ease": {"model": "ease"},
    "ials": {"model": "ials"},
}
NAMES = {"model": {**MODELS, **SOLVED}, "sampler": SAMPLERS, "loss": LOSSES}
KINDS |= {
    name: {"model": "mf", setting: name}
    for setting, ours in NAMES.items()
    for name in ours
    if name not in {CFConfig.model_fields[setting].default, *(kind.get(setting) for kind in KINDS.values())}
}
"""Trainings, each model, sampler and loss in one: so none can be silent about what it reads."""
OTHERS = {
    "margin": 0.01,
    "dim": 6,
    "layers": 3,
    "dropout": 0.4,
    "init": "normal",
    "init_std": 0.07,
    "adam.beta_1": 0.5,
    "adam.beta_2": 0.9,
    "adam.epsilon": 0.01,
    "lr": 0.03,
    "reg": 0.05,
    "optimiser": "adagrad",
    "schedule": "linear",
    "warm_up": 1,
    "batch_size": 60,
    "popularity_power": 0.2,
    "candidates": 5,
    "dins_alpha": 0.1,
    "alpha": 0.9,
    "base_sampler": "dns",
    "adapter_hidden": (16,),
    "adapter_attention": True,
    "adapter_training": "frozen",
    "contrastive": 0.5,
    "temperature": 0.9,
    "graph_neighbours": 3,
    "guard_features": "cf",
    "softmax.similarity": "dot",
    "softmax.magnitude": 0.5,
    "softmax.temperature": 0.7,
    "softmax.negatives": 9,
    "softmax.log_q": False,
    "softmax.distill_temperature": 9.0,
    "dns.top": 3,
    "dns.rule": "one",
    "srns.memory": 4,
    "srns.fresh": 20,
    "srns.temperature": 0.1,
    "ahns.alpha": 9.0,
    "ahns.beta": 0.01,
    "ahns.power": -1.01,
    "ssl.weight": 2.0,
    "ssl.temperature": 0.7,
    "ssl.views": "node",
    "ssl.drop": 0.6,
    "ssl.noise": 0.9,
    "ssl.layer": 2,
    "text.hidden": (16,),
    "text.weight": 2.0,
    "text.temperature": 0.9,
    "text.mask": 0.5,
    "text.shared_experts": 1,
    "text.own_experts": 1,
    "text.triples": 0.9,
    "text.prune": 0.2,
    "ease.reg": 5.0,
    "ease.normalise": True,
    "ease.text": 0.3,
    "ials.unobserved": 0.5,
    "ials.reg": 0.1,
    "ials.power": 0.2,
    "ials.init_std": 0.5,
}


def leaves(model=CFConfig, prefix=""):
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


@pytest.fixture
def whole(make_planted, make_pooled, make_vectored, make_texted):
    """Give everything that a training may read."""
    data = make_planted(users=30, items=40, per_user=8)
    users = np.arange(30)
    triples = np.stack([users, users % 7, users % 11 + 7], axis=1)
    pool, text = make_pooled(data).pool, make_texted(data).item_text
    return replace(make_vectored(data), pool=pool, item_text=text, triples=triples)


def changed(kind, values):
    tree = {"epochs": 2, **KINDS[kind]} if kind in SOLVED else {**BASE, **KINDS[kind]}
    for path, value in values.items():
        section, _, name = path.rpartition(".")
        if section:
            tree[section] = {**tree.get(section, {}), name: value}
        else:
            tree[name] = value
    return tree


def ranking(data, settings):
    trainer = open_training(data, CFConfig(**settings), 0)
    while not trainer.finished and trainer.epoch < 2:
        trainer.run_epoch()
    scorer = trainer.scorer()
    if isinstance(scorer, EmbeddingScores):
        return torch.cat([scorer.user_embeddings, scorer.item_embeddings])
    return scorer.scores(torch.arange(data.users))


def same(first, second):
    return first.shape == second.shape and torch.equal(first, second)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_changes_the_model_and_what_is_not_changes_nothing(whole, kind):
    base = changed(kind, {})
    plain = ranking(whole, base)
    unread = unread_settings(CFConfig(**base), OTHERS)
    # Where a model is solved, the settings of gradients that it could be believed to read are refused.
    silent = {path: OTHERS[path] for path in unread if not (kind in SOLVED and path in OF_GRADIENTS)}
    assert same(plain, ranking(whole, changed(kind, silent)))
    other = (path for path in OTHERS.keys() - unread.keys() if changed(kind, {path: OTHERS[path]}) != base)
    for path in other:
        assert not same(plain, ranking(whole, changed(kind, {path: OTHERS[path]}))), path


def test_every_setting_that_has_a_reader_is_a_setting():
    known = set(leaves())
    assert all(path in known or any(leaf.startswith(f"{path}.") for leaf in known) for path in READERS)
    always = known - set(READERS) - {leaf for leaf in known if leaf.partition(".")[0] in READERS}
    assert always == {"model", "validation", "fusion"}


def test_who_reads_a_setting_is_told():
    config = CFConfig(model="mf")
    assert unread_settings(config, ["layers", "lr", "srns.memory"]) == {
        "layers": "models that propagate",
        "srns.memory": "sampler srns",
    }
    assert unread_settings(CFConfig(validation="none"), ["patience", "epochs"]) == {"patience": "cf.validation split"}
