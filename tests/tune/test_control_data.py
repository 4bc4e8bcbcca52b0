from dataclasses import replace

import numpy as np
import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, Judgements, NegativePool, PairVectors, Positives
from hnlm_ray.cf.data import controls
from hnlm_ray.methods.known import METHODS
from hnlm_ray.tune.control_data import KeptData, method_data


@pytest.fixture
def data():
    users, items = np.repeat(np.arange(20), 3), np.tile(np.arange(3), 20) + np.repeat(np.arange(20), 3) % 10
    train = Positives.from_pairs(users, items, 20)
    pool = NegativePool.from_rows(train, users, items, (items + 4) % 15, np.ones(60), n_items=15)
    rows = np.eye(8, dtype=np.float16)[np.arange(60) % 8]
    anchors = np.random.default_rng(1).normal(size=(15, 8)).astype(np.float32)
    vectors = PairVectors.from_rows(train, users, items, np.arange(60), rows, n_items=15, anchors=anchors)
    vectors = replace(vectors, positives=items.astype(np.int32), mined=((items + 5) % 15).astype(np.int32))
    text = np.random.default_rng(0).normal(size=(15, 6)).astype(np.float32)
    judged = Judgements.from_pairs(np.arange(20), np.full(20, 14), np.resize([1, -1, 0], 20), 20)
    return CFData(
        20,
        15,
        train,
        pool=pool,
        vectors=vectors,
        item_text=text,
        facts_text=text[::-1].copy(),
        user_text=np.tile(text, (2, 1))[:20],
        judgements=judged,
    )


def parts(data):
    return {
        name
        for name in ("pool", "triples", "vectors", "item_text", "facts_text", "user_text", "judgements")
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
        if method not in {other, entry.control_of} or entry.reads == "nothing":
            continue
        own = values(method_data(other, data, 1)).tolist()
        changed = entry.reads.startswith(("random_", "shuffled_"))
        assert (own != real) == (changed or entry.takes in {"facts", "teacher", "item"}), other
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
    [
        *(("pool_random", "pool"), ("hnlmrec_random", "vectors"), ("guard_shuffled", "text"), ("llmrec", "pool")),
        *(("pool_facts", "pool"), ("hnlmrec_item", "vectors"), ("guard_facts", "facts")),
    ],
)
def test_what_a_control_is_made_from_must_be_there(data, method, told):
    bare = replace(data, pool=None, vectors=None, item_text=None, facts_text=None)
    with pytest.raises(InputError, match=told):
        method_data(method, bare, 1)


def test_a_process_keeps_the_same_object_for_the_same_reading_of_a_run(data):
    kept, copy = KeptData(), replace(data)
    text = kept.read_data("run", "text", data, 1)
    assert kept.read_data("run", "text", copy, 1) is text
    plain = kept.read_data("run", "nothing", data, 1)
    assert kept.read_data("run", "nothing", copy, 1) is plain
    assert kept.read_data("another", "text", copy, 1) is not text
    assert kept.read_data("run", "text", copy, 2) is text  # no seed draws it
    shuffled = kept.read_data("run", "shuffled_text", data, 1)
    assert kept.read_data("run", "shuffled_text", copy, 1) is shuffled
    assert kept.read_data("run", "shuffled_text", copy, 2) is not shuffled
    kept.read_data("run", "nothing", data, 1)
    kept.read_data("run", "pool", data, 1)
    kept.read_data("run", "vectors", data, 1)
    assert kept.read_data("run", "text", copy, 1) is not text  # four others came since


def test_vectors_without_an_llm_are_those_of_the_mined_item_or_of_the_positive(data):
    anchors = data.vectors.anchors / np.linalg.norm(data.vectors.anchors, axis=1, keepdims=True)
    for method, items in (("hnlmrec_item", data.vectors.positives), ("hnlmrec_teacher", data.vectors.mined)):
        own = method_data(method, data, 1).vectors
        np.testing.assert_allclose(own.vectors[own.row], anchors[items[data.vectors.row]], atol=2e-3)
        assert own.coverage == data.vectors.coverage


def test_a_pair_for_which_nothing_was_mined_or_whose_item_has_no_vector_has_none(data):
    mined = data.vectors.mined.copy()
    mined[:6] = -1
    anchored = np.arange(15) != 9
    some = replace(data, vectors=replace(data.vectors, mined=mined, anchored=anchored))
    own = method_data("hnlmrec_teacher", some, 1).vectors
    lacking = (mined[data.vectors.row] < 0) | (mined[data.vectors.row] == 9)
    assert ((own.row < 0) == lacking).all()
    assert lacking.sum() > 6


def test_a_pool_by_facts_has_the_items_nearest_to_the_positive_by_them(data):
    pool = method_data("pool_facts", data, 1).pool
    assert np.diff(pool.indptr).tolist() == np.diff(data.pool.indptr).tolist()
    apart = data.facts_text - data.facts_text.mean(0)
    unit = apart / np.linalg.norm(apart, axis=1, keepdims=True)
    users, positives = data.train.pairs()
    for edge, item in zip(pool.edges(), pool.items, strict=True):
        seen = data.train.items[data.train.indptr[users[edge]] : data.train.indptr[users[edge] + 1]]
        cosines = unit @ unit[positives[edge]]
        cosines[seen] = -2
        assert cosines[item] == pytest.approx(cosines.max())


def test_an_item_without_facts_gets_no_entry_and_is_none(data):
    facts = data.facts_text.copy()
    facts[[3, 7]] = 0
    pool = method_data("pool_facts", replace(data, facts_text=facts), 1).pool
    positives = data.train.pairs()[1]
    assert not set(pool.items) & {3, 7}
    assert (np.diff(pool.indptr)[np.isin(positives, [3, 7])] == 0).all()
    assert (np.diff(pool.indptr)[~np.isin(positives, [3, 7])] == 1).all()
    nothing = method_data("pool_facts", replace(data, facts_text=np.zeros_like(facts)), 1).pool
    assert len(nothing) == 0


def test_a_pair_whose_nearest_are_its_user_s_own_is_looked_up_among_all(data, monkeypatch):
    whole = method_data("pool_facts", data, 1).pool
    monkeypatch.setattr(controls, "SPARE_NEIGHBOURS", 0)
    monkeypatch.setattr(controls, "CELLS_AT_ONCE", 40)
    again = method_data("pool_facts", data, 1).pool
    assert again.items.tolist() == whole.items.tolist()
    assert again.indptr.tolist() == whole.indptr.tolist()
