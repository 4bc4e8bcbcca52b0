import numpy as np
import pytest
import torch
from scipy import stats

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, Positives
from hnlm_ray.cf.data.unobserved import Observed, UnobservedItems


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def owned(data):
    matrix = np.zeros((data.users, data.items), bool)
    matrix[data.train.pairs()] = True
    return matrix


def grid(data):
    return torch.arange(data.users), torch.arange(data.items).expand(data.users, -1)


@pytest.mark.parametrize("exact_bits", [2**20, 0])
def test_exact_and_shared_bits_answer_like_the_matrix(data, exact_bits):
    observed = Observed(data, "cpu", exact_bits)
    assert (observed.keys is None) == (exact_bits > 0)
    users, items = grid(data)
    assert np.array_equal(observed(users, items).numpy(), owned(data))


@pytest.mark.parametrize("exact_bits", [2**20, 0])
def test_what_is_not_doubtful_is_no_positive(data, exact_bits):
    observed = Observed(data, "cpu", exact_bits)
    users, items = grid(data)
    doubtful = np.zeros(data.users * data.items, bool)
    doubtful[observed.doubtful(users.repeat_interleave(data.items), items.reshape(-1).int()).numpy()] = True
    assert (doubtful | ~owned(data).ravel()).all()
    assert doubtful.mean() < owned(data).mean() + 0.1


def test_known_lists_the_positives_of_users_in_any_order(data):
    rows, items = Observed(data, "cpu").known(torch.tensor([5, 0, 5]))
    for row, user in enumerate((5, 0, 5)):
        assert items[rows == row].tolist() == np.flatnonzero(owned(data)[user]).tolist()


@pytest.mark.parametrize("exact_bits", [2**20, 0])
def test_no_pairs_at_all(exact_bits):
    observed = Observed(CFData(3, 10, Positives.from_pairs([], [], 3)), "cpu", exact_bits)
    assert not observed(torch.arange(3), torch.arange(10).expand(3, -1)).any()


@pytest.mark.parametrize("weighted", [False, True])
def test_draws_follow_the_weights_over_the_unobserved(data, weighted):
    weights = torch.rand(data.items, generator=generator(5)) + 0.05 if weighted else None
    draws = UnobservedItems(data, generator(), "cpu", weights).draw(torch.full((40_000,), 7))
    free = ~owned(data)[7]
    expected = free * (np.ones(data.items) if weights is None else weights.double().numpy())
    counts = np.bincount(draws.numpy(), minlength=data.items)
    assert counts[~free].sum() == 0
    assert stats.chisquare(counts[free], 40_000 * expected[free] / expected.sum()).pvalue > 1e-4


@pytest.mark.parametrize("weighted", [False, True])
def test_a_user_who_knows_all_but_two_items_of_thousands_gets_these_two(weighted):
    n = 5000
    data = CFData(2, n, Positives.from_pairs(np.zeros(n - 2, int), np.delete(np.arange(n), [17, 4000]), 2))
    weights = torch.ones(n, dtype=torch.float64)
    weights[17] = 3
    draws = UnobservedItems(data, generator(), "cpu", weights if weighted else None).draw(torch.zeros(2000).long())
    assert set(draws.tolist()) == {17, 4000}
    share = (draws == 17).double().mean().item()
    assert share == pytest.approx(0.75 if weighted else 0.5, abs=0.05)


def test_a_user_who_knows_everything_is_an_error_not_a_loop():
    data = CFData(2, 4, Positives.from_pairs([0, 0, 0, 0], [0, 1, 2, 3], 2))
    with pytest.raises(InputError, match="every item"):
        UnobservedItems(data, generator(), "cpu").draw(torch.tensor([1, 0]))


def test_any_shape_is_kept(data):
    drawn = UnobservedItems(data, generator(), "cpu").draw(torch.zeros(5, 3, dtype=torch.long))
    assert (drawn.shape, drawn.dtype) == ((5, 3), torch.int64)
