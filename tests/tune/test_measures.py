"""Negatives that are in truth liked, on data small enough to count by hand."""

import numpy as np
import pyarrow as pa
import pytest

from hnlm_ray.cf import CFData, NegativePool, Positives
from hnlm_ray.tune.measures import items_named, pool_false_negatives, random_false_negatives, text_false_negatives
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.tables import TABLES


@pytest.fixture(scope="module")
def data():
    draw = np.random.default_rng(3)
    rows = np.array([(user, item) for user in range(20) for item in draw.choice(30, 9, replace=False)])
    splits = [Positives.from_pairs(*rows[np.arange(len(rows)) % 9 % 3 == part].T, 20) for part in range(3)]
    users, items = splits[0].pairs()
    negatives = [next(j for j in range(30) if j not in set(rows[rows[:, 0] == user][:, 1])) for user in users]
    pool = NegativePool.from_rows(splits[0], users, items, negatives, np.ones(len(users)), n_items=30)
    return CFData(20, 30, *splits, pool)


def test_pool_entries_that_are_held_out_positives_are_counted(data):
    assert pool_false_negatives(data)["pool_false_negatives"] == 0
    users, items = data.train.pairs()
    test_items = [data.test.items[data.test.indptr[user]] for user in users]
    pool = NegativePool.from_rows(data.train, users, items, test_items, np.ones(len(users)), n_items=30)
    counts = pool_false_negatives(CFData(20, 30, data.train, data.validation, data.test, pool))
    assert counts["pool_false_negatives"] == counts["pool_entries"] == len(users)
    assert counts["pool_false_negative_share"] == 1.0
    assert counts["share_at_random"] == pytest.approx(6 / 27, abs=1e-5)


def test_uniform_negatives_of_the_training_pairs_are_false_by_expectation():
    train = Positives.from_pairs([0, 0, 1, 2, 2], [0, 1, 2, 3, 0], 3)
    validation, test = Positives.from_pairs([0], [2], 3), Positives.from_pairs([0, 1], [3, 0], 3)
    share = np.mean([2 / 2, 2 / 2, 1 / 3, 0, 0])  # two held-out items of user 0, who has two items left; ...
    data = CFData(3, 4, train, validation, test)
    assert random_false_negatives(data) == {"random_false_negative_share": pytest.approx(share, abs=1e-5)}
    assert random_false_negatives(CFData(3, 4, train)) == {}
    everything = Positives.from_pairs([0] * 4 + [1], [0, 1, 2, 3, 2], 3)  # user 0 has no item left
    found = random_false_negatives(CFData(3, 4, everything, None, Positives.from_pairs([1], [0], 3)))
    assert found == {"random_false_negative_share": pytest.approx(1 / 3, abs=1e-5)}


SMALL = CFData(
    3, 4, *(Positives.from_pairs(users, items, 3) for users, items in (([0, 1, 2], [0, 1, 2]), ([0], [1]), ([0], [2])))
)


def test_items_that_texts_name_are_counted_where_they_are_held_out_positives():
    users, items = np.array([0, 0, 1, 2], np.int32), np.array([1, 3, 2, 1], np.int32)
    assert text_false_negatives(SMALL, users, items) == {
        "text_named": 4,
        "text_false_negatives": 1,
        "text_false_negative_share": 0.25,
        "text_share_at_random": pytest.approx((2 / 3 + 2 / 3) / 4, abs=1e-5),  # two held-out items of three unseen
    }
    nobody = np.zeros(0, np.int32)
    assert text_false_negatives(SMALL, nobody, nobody) == {"text_named": 0, "text_false_negatives": 0}
    assert text_false_negatives(CFData(3, 4, SMALL.train), users, items) == {}


def test_an_item_is_named_by_a_title_of_the_pair_s_own_text_and_by_nothing_else(tmp_path):
    verdicts = ("exact", "fuzzy", "nearest", "ungrounded", "training_positive", None)
    found = {"weights": [1.0, 0.5], "sources": ["exact", "neighbour"]}
    rows = [
        {"user": 1, "item": n, "origin": "own", "negatives": [n + 10, 3], "verdict": verdict, **found}
        for n, verdict in enumerate(verdicts)
    ]
    store = Workspace.open(str(tmp_path)).table("negative_pool")
    store.write_part("a" * 64, "part-0", pa.Table.from_pylist(rows, schema=TABLES["negative_pool"]))
    made = {"table": "negative_pool", "stage": "negative_pool", "fingerprint": "a" * 64}
    store.publish(Manifest(**made, files=store.parts("a" * 64)))
    users, items = items_named(store)
    assert (users.tolist(), items.tolist()) == ([1, 1], [10, 11])
    store.publish(Manifest(**made))
    assert [len(column) for column in items_named(store)] == [0, 0]
