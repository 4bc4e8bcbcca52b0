import numpy as np

from hnlm_ray.config import NegativesConfig
from hnlm_ray.negatives.grounding import Grounded, Grounding
from hnlm_ray.negatives.pool import bucket_pool, user_pool
from hnlm_ray.training_data import UserHistory

VECTORS = np.eye(8, dtype=np.float32)
VECTORS[2] = (VECTORS[0] + 0.1 * VECTORS[1]) / np.linalg.norm(VECTORS[0] + 0.1 * VECTORS[1])
CONFIG = NegativesConfig()


def grounding(*items):
    return Grounding(
        tuple(Grounded(item, 1.0, "exact" if n == 0 else "neighbour") for n, item in enumerate(items)),
        met_positive=False,
    )


def by_item(pool):
    return {row["item"]: (row["origin"], row["lender"], row["negatives"]) for row in pool.rows}


def test_a_pair_without_a_text_borrows_from_the_most_similar_item_of_its_user():
    pool = user_pool(UserHistory(7, (2, 0, 1)), {0: grounding(5), 1: grounding(6, 4)}, VECTORS, CONFIG)
    assert by_item(pool) == {0: ("own", None, [5]), 1: ("own", None, [6, 4]), 2: ("borrowed", 0, [5])}
    assert pool.counts == {"duplicate": 0, "borrowed_pairs": 1, "own_pairs": 2}


def test_without_borrowing_the_pair_falls_back_and_is_counted():
    config = CONFIG.model_copy(update={"borrow": False})
    pool = user_pool(UserHistory(7, (0, 1)), {0: grounding(5), 1: grounding()}, VECTORS, config)
    assert by_item(pool) == {0: ("own", None, [5]), 1: ("fallback", None, [])}
    assert pool.counts["fallback_pairs"] == 1


def test_a_user_without_any_grounded_text_falls_back_for_all_pairs():
    pool = user_pool(UserHistory(7, (0, 1)), {1: grounding()}, VECTORS, CONFIG)
    assert by_item(pool) == {0: ("fallback", None, []), 1: ("fallback", None, [])}
    assert pool.counts["fallback_pairs"] == 2


def test_the_same_negative_for_two_pairs_is_counted_as_a_duplicate():
    pool = user_pool(UserHistory(7, (0, 1)), {0: grounding(5), 1: grounding(5)}, VECTORS, CONFIG)
    assert pool.counts["duplicate"] == 1


def test_a_bucket_has_each_training_pair_once_in_key_order_and_ignores_texts_of_other_pairs():
    users = [UserHistory(9, (1,)), UserHistory(3, (4, 0))]
    texts = {(9, 1): grounding(4, 5), (3, 0): grounding(6), (3, 7): grounding(2)}
    pool = bucket_pool(users, texts, VECTORS, CONFIG)
    assert [(row["user"], row["item"]) for row in pool.rows] == [(3, 0), (3, 4), (9, 1)]
    assert all(2 not in row["negatives"] for row in pool.rows)
    assert pool.counts["texts"] == 3
