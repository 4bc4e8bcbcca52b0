import numpy as np
import pytest

from hnlm_ray.cf import CFData, NegativePool, Positives
from hnlm_ray.tune.control_data import method_data


@pytest.fixture
def data():
    users, items = np.repeat(np.arange(20), 3), np.tile(np.arange(3), 20) + np.repeat(np.arange(20), 3) % 10
    train = Positives.from_pairs(users, items, 20)
    pool = NegativePool.from_rows(train, users, items, (items + 4) % 15, np.ones(60), n_items=15)
    return CFData(20, 15, train, pool=pool)


def test_only_the_controls_with_their_own_pool_get_one(data):
    for method in ("rns", "pns", "dns", "pool", "pool_alpha0"):
        assert method_data(method, data, 1) is data
    for method in ("pool_random", "pool_shuffled"):
        control = method_data(method, data, 1)
        assert control.train is data.train
        assert control.pool.items.tolist() != data.pool.items.tolist()
        assert method_data(method, data, 1).pool.items.tolist() == control.pool.items.tolist()
