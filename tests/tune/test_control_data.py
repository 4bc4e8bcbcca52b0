from dataclasses import replace

import numpy as np
import pytest

from hnlm_ray.cf import CFData, Judgements, NegativePool, PairVectors, Positives
from hnlm_ray.errors import InputError
from hnlm_ray.tune.control_data import KeptData, method_data
from hnlm_ray.tune.methods import METHODS


@pytest.fixture
def data():
    users, items = np.repeat(np.arange(20), 3), np.tile(np.arange(3), 20) + np.repeat(np.arange(20), 3) % 10
    train = Positives.from_pairs(users, items, 20)
    pool = NegativePool.from_rows(train, users, items, (items + 4) % 15, np.ones(60), n_items=15)
    rows = np.eye(8, dtype=np.float16)[np.arange(60) % 8]
    vectors = PairVectors.from_rows(train, users, items, np.arange(60), rows, n_items=15)
    text = np.random.default_rng(0).normal(size=(15, 6)).astype(np.float32)
    judged = Judgements.from_pairs(np.arange(20), np.full(20, 14), np.resize([1, -1, 0], 20), 20)
    return CFData(
        20,
        15,
        train,
        pool=pool,
        vectors=vectors,
        item_text=text,
        user_text=np.tile(text, (2, 1))[:20],
        judgements=judged,
    )


def parts(data):
    return {
        name
        for name in ("pool", "triples", "vectors", "item_text", "user_text", "judgements")
        if getattr(data, name) is not None
    }


def test_a_method_gets_what_it_reads_and_nothing_else(data):
    expected = {"pool": {"pool"}, "vectors": {"vectors"}, "text": {"item_text"}, "nothing": set()}
    expected["triples"] = {"triples"}
    expected["evidence"] = {"vectors", "item_text", "user_text", "judgements"}
    for method, entry in METHODS.items():
        own = method_data(method, data, 1)
        assert own.train is data.train
        assert parts(own) == expected[entry.reads.rpartition("_")[2]], method


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("pool", lambda data: data.pool.items),
        ("hnlmrec", lambda data: data.vectors.vectors[data.vectors.row]),
        ("guard", lambda data: data.item_text),
        ("kar", lambda data: data.item_text),
        ("guard_llm", lambda data: data.item_text),
        ("guard_llm", lambda data: data.user_text),
        ("guard_llm", lambda data: data.judgements.verdicts),
    ],
)
def test_only_the_controls_differ_from_the_real_and_repeat_with_their_seed(data, method, values):
    real = values(data).tolist()
    for other, entry in METHODS.items():
        if method not in {other, entry.controls} or entry.reads == "nothing":
            continue
        own = values(method_data(other, data, 1)).tolist()
        changed = entry.reads.startswith(("random_", "shuffled_"))
        assert (own != real) == changed, other
        assert values(method_data(other, data, 1)).tolist() == own
        assert (values(method_data(other, data, 2)).tolist() != own) == changed


def test_triples_are_the_pool_s_and_their_control_has_another_pair_s(data):
    triples = method_data("llmrec", data, 1).triples
    users, items = data.train.pairs()
    assert triples.tolist() == np.stack([users, items, data.pool.items], 1).tolist()
    shuffled = method_data("llmrec_shuffled", data, 1).triples
    assert shuffled.tolist() != triples.tolist()
    assert sorted(set(shuffled[:, 2])) == sorted(set(triples[:, 2]))


@pytest.mark.parametrize(
    ("method", "told"),
    [("pool_random", "pool"), ("hnlmrec_random", "vectors"), ("guard_shuffled", "text"), ("llmrec", "pool")],
)
def test_what_a_control_is_made_from_must_be_there(data, method, told):
    bare = replace(data, pool=None, vectors=None, item_text=None)
    with pytest.raises(InputError, match=told):
        method_data(method, bare, 1)


def test_a_process_keeps_the_same_object_for_the_same_reading_of_a_run(data):
    kept, copy = KeptData(), replace(data)
    text = kept.read_data("run", "text", data, 1)
    assert kept.read_data("run", "text", copy, 1) is text
    plain = kept.read_data("run", "nothing", data, 1)
    assert kept.read_data("run", "nothing", copy, 1) is plain
    assert kept.read_data("another", "text", copy, 1) is not text
    assert kept.read_data("run", "text", copy, 2) is not text
    kept.read_data("run", "pool", data, 1)
    kept.read_data("run", "vectors", data, 1)
    assert kept.read_data("run", "text", copy, 1) is not text  # four others came since
