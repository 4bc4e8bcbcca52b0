import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.prepare import kcore


def core(pairs, user_core, item_core, parts=1):
    """Run the rounds over the pairs cut into parts, as the stage does over blocks."""
    users, items = (np.array(column, dtype=np.int32) for column in zip(*pairs, strict=True))
    trains = np.ones(len(users), dtype=bool)
    members = kcore.Members(np.ones(users.max() + 1, dtype=bool), np.ones(items.max() + 1, dtype=bool))
    while True:
        counted = [
            kcore.block_degrees(
                users[p::parts], items[p::parts], trains[p::parts], members, all_rows_count_for_items=False
            )
            for p in range(parts)
        ]
        degrees = kcore.add_degrees(counted, len(members.users), len(members.items))
        smaller = kcore.next_members(*degrees, user_core, item_core)
        if kcore.same(members, smaller):
            return {(u, i) for u, i in pairs if members.users[u] and members.items[i]}
        members = smaller


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
    everybody = kcore.Members(np.ones(1, dtype=bool), np.ones(2, dtype=bool))
    trains = np.array([True, False])
    for unfiltered, expected in ((False, [1, 0]), (True, [1, 1])):
        block = kcore.block_degrees(users, items, trains, everybody, all_rows_count_for_items=unfiltered)
        user_degrees, item_degrees = kcore.add_degrees([block], 1, 2)
        assert user_degrees.tolist() == [1]
        assert item_degrees.tolist() == expected
