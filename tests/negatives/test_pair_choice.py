"""Which pairs get a negative: the choice against its definition word by word, and what it reads."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.negatives.pair_choice import CatalogueWords, information_of, informative_pairs, pair_choice
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.tables import TABLES
from hnlm_ray.workspace.training_data import UserHistory, select_pairs, training_counts

NO_WORDS = frozenset()


def chosen(items, budget, information, words=lambda item: NO_WORDS):
    return informative_pairs(UserHistory(1, tuple(items)), budget, np.array(information, float), words)


def test_information_is_the_negative_logarithm_of_an_item_s_share_of_the_training_rows():
    assert information_of(np.array([8, 4, 2, 1, 1])).tolist() == [1, 2, 3, 4, 4]
    assert np.isfinite(information_of(np.array([0, 3]))).all()
    assert np.isfinite(information_of(np.array([0, 0]))).all()


def test_where_nothing_is_known_of_items_the_rarest_come_first():
    assert chosen([0, 1, 2, 3], 2, [1, 5, 2, 4]) == [1, 3]


def test_equal_items_are_taken_the_latest_first_then_by_index():
    assert chosen([7, 2, 5], 1, [3] * 8) == [7]  # a history names the latest first
    assert chosen([7, 2, 5], 2, [3] * 8) == [2, 7]


def test_a_second_item_like_the_first_gives_way_to_a_more_common_one_that_is_new():
    words = {0: frozenset("ab"), 1: frozenset("ab"), 2: frozenset("cd"), 3: frozenset("ac")}.__getitem__
    assert chosen([0, 1, 2, 3], 2, [9, 8, 5, 7], words) == [0, 2]  # gains 9, then 0, 5 and 3.5
    assert chosen([0, 1, 2, 3], 3, [9, 8, 5, 7], words) == [0, 1, 2]  # nothing new is left: the rarest


def test_a_user_with_fewer_pairs_than_the_budget_gives_all_and_no_budget_none():
    assert chosen([4, 1], 9, [1] * 5) == [1, 4]
    assert chosen([4, 1], 0, [1] * 5) == []


def by_definition(items, budget, information, words):
    """Compute every gain anew for each choice."""
    left, picked = list(enumerate(items)), []
    while left and len(picked) < budget:
        told = set().union(*(words(item) for _, item in picked))

        def order(entry, told=told):
            place, item = entry
            new = len(words(item) - told) / len(words(item)) if words(item) else 1.0
            return -information[item] * new, -information[item], place

        picked.append(min(left, key=order))
        left.remove(picked[-1])
    return sorted(item for _, item in picked)


@given(
    st.permutations(range(8)),
    st.integers(0, 9),
    st.lists(st.integers(1, 4), min_size=8, max_size=8),
    st.lists(st.frozensets(st.sampled_from("abcde")), min_size=8, max_size=8),
)
def test_the_choice_is_the_greedy_one_and_a_larger_budget_keeps_it(items, budget, bits, words):
    found = chosen(items, budget, bits, words.__getitem__)
    assert found == by_definition(items, budget, bits, words.__getitem__)
    assert set(found) <= set(chosen(items, budget + 1, bits, words.__getitem__))


def test_words_are_those_of_title_and_attribute_values_in_lower_case():
    rows = {
        0: {"title": "The Matrix, (1999)", "attributes": [("genre", "Sci-Fi|ACTION"), ("year", None)]},
        1: {"title": None, "attributes": None},
        2: {"title": "word " * 10_000 + "late", "attributes": []},
    }
    words = CatalogueWords(rows)
    assert words(0) == {"the", "matrix", "1999", "sci", "fi", "action"}
    assert words(1) == NO_WORDS
    assert words(2) == {"word"}


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace.open(str(tmp_path))
    seen = [
        [(0, 0, "train"), (0, 2, "train"), (0, 1, "test"), (1, 1, "validation")],
        [(2, 0, "train"), (2, 1, "train"), (3, 0, "train"), (3, 3, "test")],
    ]
    publish(workspace, "items", [[{"item": n, "item_id": str(n), "title": f"film {n}"} for n in range(4)]])
    keys = ("user", "item", "split")
    publish(workspace, "interactions", [[dict(zip(keys, row, strict=True)) for row in part] for part in seen])
    return workspace


def publish(workspace, table, parts):
    store = workspace.table(table)
    for n, rows in enumerate(parts):
        store.write_part("a" * 64, f"part-{n}", pa.Table.from_pylist(rows, schema=TABLES[table]))
    store.publish(Manifest(table=table, stage=table, fingerprint="a" * 64, files=store.parts("a" * 64)))


def test_popularity_is_counted_over_the_training_rows_of_all_buckets_and_no_others(workspace):
    counts = training_counts(workspace)
    assert counts.tolist() == [3, 1, 1, 0]
    assert training_counts(workspace) is counts  # read once in a process
    with pytest.raises(ValueError, match="read-only"):
        counts[0] = 7


def test_both_choices_give_items_of_the_user_and_the_random_one_hangs_on_its_seed(workspace):
    history = UserHistory(5, (0, 1, 2))
    assert pair_choice(workspace, "informative", 1)(history, 2) == [1, 2]  # item 0 is the popular one
    assert pair_choice(workspace, "informative", 2)(history, 2) == [1, 2]
    drawn = {tuple(pair_choice(workspace, "random", seed)(history, 2)) for seed in range(9)}
    assert len(drawn) > 1
    assert tuple(select_pairs(history, 2, 3)) == tuple(pair_choice(workspace, "random", 3)(history, 2))
