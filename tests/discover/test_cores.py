import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.discover.measure import choose_core, k_core

PAIRS = st.sets(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=200)


@given(PAIRS, st.integers(1, 4), st.integers(1, 4))
def test_everybody_who_stays_has_enough_and_nobody_more_could_stay(pairs, user_core, item_core):
    users, items = np.array(sorted(pairs)).T
    kept = k_core(users, items, user_core, item_core)
    alone = set(zip(users.tolist(), items.tolist(), strict=True))
    while True:  # the definition, one round after the other
        counts = [np.bincount([pair[side] for pair in alone], minlength=31) for side in (0, 1)]
        still = {pair for pair in alone if counts[0][pair[0]] >= user_core and counts[1][pair[1]] >= item_core}
        if still == alone:
            break
        alone = still
    assert set(zip(users[kept].tolist(), items[kept].tolist(), strict=True)) == alone


def test_dense_data_gets_the_strict_core_and_sparse_data_a_loose_one():
    users, items = (side.ravel() for side in np.meshgrid(np.arange(60), np.arange(40)))
    dense = choose_core(users, items, None)
    assert (dense.user_core, dense.item_core, dense.users, dense.items, dense.positives) == (5, 5, 60, 40, 2400)
    sparse = choose_core(np.repeat(np.arange(300), 3), np.arange(900), None)
    assert (sparse.item_core, sparse.positives) == (1, 900)


def test_a_sample_of_the_users_is_judged_not_all_of_them():
    users, items = (side.ravel() for side in np.meshgrid(np.arange(60), np.arange(40)))
    assert choose_core(users, items, 10).users <= 10
