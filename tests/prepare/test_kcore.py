import weakref
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.prepare import kcore


def user_rows(pairs, first, end):
    mine = sorted(pair for pair in pairs if first <= pair[0] < end)
    users, items = (np.array([pair[side] for pair in mine], dtype=np.int32) for side in (0, 1))
    return kcore.UserRows(users, items, None, first, end)


def core(pairs, user_core, item_core, parts=1):
    """Run the rounds over ranges of users, as the stage does."""
    users, items = 9, 9
    bounds = np.linspace(0, users, parts + 1).astype(int)
    ranges = [user_rows(pairs, first, end) for first, end in pairwise(bounds)]
    left = np.ones(items, dtype=bool)
    while True:
        rounds = [
            kcore.users_round(
                rows, np.ones(rows.end - rows.first, dtype=bool), left, user_core, all_rows_count_for_items=False
            )
            for rows in ranges
        ]
        stay, degrees = np.concatenate([one for one, _ in rounds]), sum(counts for _, counts in rounds)
        if np.array_equal(degrees >= item_core, left):
            return {(u, i) for u, i in pairs if stay[u] and left[i]}
        left = degrees >= item_core


def naive_core(pairs, user_core, item_core):
    left = set(pairs)
    while True:
        kept = {
            (u, i)
            for u, i in left
            if sum(v == u for v, _ in left) >= user_core and sum(j == i for _, j in left) >= item_core
        }
        if kept == left:
            return kept
        left = kept


@given(
    st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_the_core_is_the_naive_one_however_the_rows_are_cut(pairs, user_core, item_core, parts):
    assert core(sorted(pairs), user_core, item_core, parts) == naive_core(pairs, user_core, item_core)


def test_test_rows_do_not_count_unless_items_are_unfiltered():
    users, items = np.array([0, 0], np.int32), np.array([0, 1], np.int32)
    rows = kcore.UserRows(users, items, np.array([True, False]), 0, 1)
    everything = np.ones(2, dtype=bool)
    assert rows.degrees(everything).tolist() == [1]
    for unfiltered, expected in ((False, [1, 0]), (True, [1, 1])):
        stay, degrees = kcore.users_round(rows, everything[:1], everything, 1, all_rows_count_for_items=unfiltered)
        assert stay.tolist() == [True]
        assert degrees.tolist() == expected


def test_users_who_are_not_candidates_stay_out():
    rows = user_rows({(4, 0), (5, 0), (5, 1)}, 4, 7)
    stay, degrees = kcore.users_round(
        rows, np.array([True, False, True]), np.ones(2, dtype=bool), 1, all_rows_count_for_items=False
    )
    assert stay.tolist() == [True, False, False]
    assert degrees.tolist() == [1, 0]


def test_degrees_of_ranges_are_added_up_one_at_a_time():
    alive = []

    def rounds():
        for at in range(20):
            counted = np.full(1000, at, dtype=np.int32)
            alive.append(weakref.ref(counted))
            yield np.array([at % 2 == 0]), counted
            del counted
            assert sum(one() is not None for one in alive) <= 1

    stay, degrees = kcore.joined(rounds(), 1000)
    assert stay.tolist() == [True, False] * 10
    assert degrees.tolist() == [190] * 1000


def test_degrees_of_a_range_are_small_numbers():
    rows = user_rows({(0, 0), (0, 1)}, 0, 1)
    everything = np.ones(2, dtype=bool)
    _, degrees = kcore.users_round(rows, everything[:1], everything, 1, all_rows_count_for_items=False)
    assert degrees.dtype == np.int32
