import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.negatives.grounding import Embedded, Grounded, Grounding, TeacherCatalogue, embedded_negatives
from hnlm_ray.negatives.pool import Similarity, bucket_pool, item_year, user_pool
from hnlm_ray.teacher.vectors import Vectors
from hnlm_ray.workspace.tables import TABLES
from hnlm_ray.workspace.training_data import UserHistory

VECTORS = np.eye(8, dtype=np.float32)
VECTORS[2] = (VECTORS[0] + 0.1 * VECTORS[1]) / np.linalg.norm(VECTORS[0] + 0.1 * VECTORS[1])
SIMILAR = Similarity(VECTORS)


def grounding(*items):
    return Grounding(
        tuple(Grounded(item, 1.0, "exact" if n == 0 else "neighbour") for n, item in enumerate(items)),
        met_positive=False,
    )


def by_item(pool):
    return {row["item"]: (row["origin"], row["lender"], row["negatives"]) for row in pool.rows}


def test_a_pair_without_a_text_borrows_from_the_most_similar_item_of_its_user():
    pool = user_pool(UserHistory(7, (2, 0, 1)), {0: grounding(5), 1: grounding(6, 4)}, {}, SIMILAR)
    assert by_item(pool) == {0: ("own", None, [5]), 1: ("own", None, [6, 4]), 2: ("borrowed", 0, [5])}
    assert pool.counts == {"duplicate": 0, "borrowed_pairs": 1, "own_pairs": 2, "pairs_without_vector": 3}


def test_without_borrowing_the_pair_falls_back_and_is_counted():
    pool = user_pool(UserHistory(7, (0, 1)), {0: grounding(5), 1: grounding()}, {}, Similarity(VECTORS, borrow=False))
    assert by_item(pool) == {0: ("own", None, [5]), 1: ("fallback", None, [])}
    assert pool.counts["fallback_pairs"] == 1


@given(
    st.lists(st.integers(0, 7), min_size=1, unique=True),
    st.dictionaries(st.integers(0, 7), st.booleans()),
    st.frozensets(st.integers(0, 7)),
    st.booleans(),
)
def test_every_pair_is_counted_once_as_its_row_says(items, texts, with_vector, borrow):
    texts = {item: grounding(5) if found else grounding() for item, found in texts.items() if item in items}
    vectors = {item: embedded(0.5, 6) for item in with_vector if item in items}
    pool = user_pool(UserHistory(7, tuple(items)), texts, vectors, Similarity(VECTORS, borrow=borrow))
    for origin in ("own", "borrowed", "fallback"):
        assert pool.counts[f"{origin}_pairs"] == len([row for row in pool.rows if row["origin"] == origin])
    counted = [pool.counts[name] for name in ("own_pairs", "borrowed_pairs", "fallback_pairs")]
    assert sum(counted) == len(pool.rows) == len(items)
    assert pool.counts["fallback_pairs"] == len([row for row in pool.rows if not row["negatives"]])
    grounded = {item for item, found in texts.items() if found.items}
    own = (grounded or set(vectors)) if borrow else grounded | set(vectors)  # a borrowed text goes before a vector
    assert {row["item"] for row in pool.rows if row["origin"] == "own"} == own
    assert borrow or not pool.counts["borrowed_pairs"]


def test_a_user_without_any_grounded_text_falls_back_for_all_pairs():
    pool = user_pool(UserHistory(7, (0, 1)), {1: grounding()}, {}, SIMILAR)
    assert by_item(pool) == {0: ("fallback", None, []), 1: ("fallback", None, [])}
    assert pool.counts["fallback_pairs"] == 2


def test_the_same_negative_for_two_pairs_is_counted_as_a_duplicate():
    pool = user_pool(UserHistory(7, (0, 1)), {0: grounding(5), 1: grounding(5)}, {}, SIMILAR)
    assert pool.counts["duplicate"] == 1


def test_a_bucket_has_each_training_pair_once_in_key_order_and_ignores_texts_of_other_pairs():
    users = [UserHistory(9, (1,)), UserHistory(3, (4, 0))]
    texts = {(9, 1): grounding(4, 5), (3, 0): grounding(6), (3, 7): grounding(2)}
    pool = bucket_pool(users, texts, {}, SIMILAR)
    assert [(row["user"], row["item"]) for row in pool.rows] == [(3, 0), (3, 4), (9, 1)]
    assert all(2 not in row["negatives"] for row in pool.rows)
    assert pool.counts["texts"] == 3


def embedded(value, *items):
    return Embedded(np.full(4, value, dtype=np.float32), tuple(Grounded(item, 0.5, "embedding") for item in items))


def test_a_pair_without_a_vector_borrows_that_of_its_nearest_pair_and_each_keeps_its_own():
    vectors = {0: embedded(0.25, 6), 1: embedded(0.75, 7)}
    pool = user_pool(UserHistory(7, (2, 0, 1)), {}, vectors, SIMILAR)
    found = {row["item"]: (float(row["vector"][0]), row["vector_lender"], row["negatives"]) for row in pool.rows}
    assert found == {0: (0.25, None, [6]), 1: (0.75, None, [7]), 2: (0.25, 0, [6])}
    assert [row["origin"] for row in pool.rows] == ["own", "own", "borrowed"]
    assert (pool.counts["own_vectors"], pool.counts["borrowed_vectors"]) == (2, 1)


def test_items_of_text_and_vector_are_joined_and_one_that_both_name_is_the_texts():
    pool = user_pool(UserHistory(7, (0,)), {0: grounding(5, 4)}, {0: embedded(0.5, 4, 6)}, SIMILAR)
    row = pool.rows[0]
    assert list(zip(row["negatives"], row["sources"], strict=True)) == [
        (5, "exact"),
        (4, "neighbour"),
        (6, "embedding"),
    ]


def test_no_vector_is_a_null_and_a_count_never_noise():
    pool = user_pool(UserHistory(7, (0, 1)), {0: grounding(5)}, {}, SIMILAR)
    assert [row["vector"] for row in pool.rows] == [None, None]
    assert pool.counts["pairs_without_vector"] == 2


def test_the_nearest_items_to_a_vector_are_no_training_items_and_have_a_vector_themselves():
    vectors = np.array([[1, 0], [0.9, 0.1], [0.8, 0.3], [1, 0.05], [-1, 0]], dtype=np.float32)
    catalogue = TeacherCatalogue(Vectors(vectors, np.array([True, True, True, False, True])))
    schema = TABLES["negative_embeddings"]
    columns = pa.schema([schema.field(name) for name in ("user", "item", "vector", "status")])
    known = {"user": 3, "item": 0, "vector": np.array([1, 0], dtype=np.float16), "status": "ok"}
    failed = {"user": 3, "item": 4, "vector": None, "status": "engine_error"}
    rows = pa.Table.from_pylist([known, failed], schema=columns)
    found = embedded_negatives(rows, {3: UserHistory(3, (0, 4))}, catalogue, 4)
    assert [(one.item, one.source) for one in found[3, 0].items] == [(1, "embedding"), (2, "embedding")]
    assert list(found) == [(3, 0)]


@pytest.mark.parametrize(
    ("title", "attributes", "year"),
    [
        ("Sabrina (1954)", [("year", "1995")], "1954"),
        ("Sabrina", [("genres", "Comedy"), ("year", "1995")], "1995"),
        ("Sabrina", None, None),
        (None, [], None),
    ],
)
def test_an_items_year_is_that_of_its_title_else_its_attribute(title, attributes, year):
    assert item_year({"title": title, "attributes": attributes}) == year


def test_each_row_says_what_became_of_its_own_text():
    texts = {0: grounding(5), 1: grounding(), 2: Grounding((), met_positive=True)}
    pool = user_pool(UserHistory(7, (0, 1, 2, 3)), texts, {}, SIMILAR)
    assert [row["verdict"] for row in pool.rows] == ["exact", "ungrounded", "training_positive", None]
