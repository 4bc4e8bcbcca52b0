"""Every shipped method trains with what is drawn for it, on data that has everything."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.cf import CFData, Judgements, NegativePool, PairVectors, Positives, train
from hnlm_ray.config import CFConfig, TuneConfig
from hnlm_ray.config.spaces import shipped_methods
from hnlm_ray.methods.known import METHODS, RunMethods, trials_of
from hnlm_ray.tune.control_data import read_data
from hnlm_ray.tune.search.suggest import Suggestions

BASE = CFConfig(dim=4, epochs=2, batch_size=64)


@pytest.fixture(scope="module")
def data():
    draw = np.random.default_rng(3)
    rows = np.array([(user, item) for user in range(20) for item in draw.choice(30, 9, replace=False)])
    fit, stop = (Positives.from_pairs(*rows[np.arange(len(rows)) % 9 % 3 // 2 == part].T, 20) for part in (0, 1))
    users, items = fit.pairs()
    own = [set(rows[rows[:, 0] == user, 1]) for user in range(20)]
    negatives = [next(item for item in range(30) if item not in own[user]) for user in users]
    pool = NegativePool.from_rows(fit, users, items, negatives, np.ones(len(users)), n_items=30)
    text = draw.normal(size=(30, 32)).astype(np.float32)
    unit = text / np.linalg.norm(text, axis=1, keepdims=True)
    some = np.arange(len(users) // 2)
    vectors = PairVectors.from_rows(fit, users[some], items[some], some, unit[some % 30], n_items=30, anchors=unit)
    vectors = replace(vectors, positives=items[some], mined=np.array(negatives, np.int32)[some])
    unknown = [next(item for item in range(29, -1, -1) if item not in mine) for mine in own]
    judged = Judgements.from_pairs(np.arange(20), unknown, np.resize([1, -1], 20), 20)
    told = {
        "facts_text": text[::-1].copy(),
        "user_text": text[:20],
        "user_text_from": Positives.from_pairs(users[::9], items[::9], 20),
    }
    return CFData(20, 30, fit, stop, None, pool, vectors, text, judgements=judged, **told)


@pytest.mark.parametrize("name", shipped_methods())
def test_a_method_trains_with_what_is_drawn_for_it(data, name):
    models = METHODS[name].models or ("mf", "lightgcn")
    tune = TuneConfig(methods=(name,) if METHODS[name].family == "classical" else ("rns", name), models=models)
    base = Suggestions("rns", BASE, models[0], tune, 5).suggest(1)
    one = [found for found in RunMethods.of(tune).compared.values() if found.method.name == name]
    assert len(one) == (1 if METHODS[name].model else len(models))
    for compared in one:
        search = Suggestions(name, BASE, compared.model, tune, 5)
        if METHODS[name].nests:
            search.nest_in(base)
        for trial in range(min(4, trials_of(METHODS[name], tune))):
            training = train(read_data(METHODS[name].reads, data, 1), search.suggest(trial), 5)
            assert 0 <= training.validation["ndcg@20"] <= 1


def test_what_the_llm_says_is_added_to_fusion_and_takes_nothing_from_it(data):
    tune = TuneConfig(methods=("rns", "fusion", "fusion_llm"), models=("lightgcn",))
    drawn = {name: Suggestions(name, BASE, "lightgcn", tune, 5) for name in ("fusion", "fusion_llm")}
    assert drawn["fusion"].suggest(0) == drawn["fusion_llm"].suggest(0)
    added = {"llm_profile", "verdict"}
    own = {*METHODS["fusion_llm"].space} - {*METHODS["fusion"].space}
    assert own == {f"teacher.{name}" for name in added}
    for trial in range(3):
        config = drawn["fusion"].suggest(trial)
        assert config.teacher.model_dump(include=added) == dict.fromkeys(added, 0)
        plain, with_llm = (train(read_data(METHODS[name].reads, data, 1), config, 5) for name in drawn)
        users = torch.arange(data.users)
        assert torch.equal(plain.scorer.scores(users), with_llm.scorer.scores(users))
