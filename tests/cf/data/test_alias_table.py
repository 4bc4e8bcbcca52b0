import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from hnlm_ray.cf.data.unobserved import AliasTable

WEIGHTS = st.one_of(
    st.lists(st.integers(1, 5).map(float), min_size=1, max_size=40),  # sums that are equal, to the last bit
    st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=40),
    st.integers(1, 30).map(lambda n: [1 / (k + 1) for k in range(n)]),
)


def implied(table):
    odds = table.own.clone().index_add_(0, table.alias.long(), 1 - table.own)
    return (odds / len(odds)).numpy()


@given(WEIGHTS)
@example([19931713.0] * 3)  # shares that are all rounded up
def test_own_and_alias_shares_add_up_to_the_weights(weights):
    table = AliasTable(torch.tensor(weights, dtype=torch.float64))
    assert ((table.own >= 0) & (table.own <= 1)).all()
    np.testing.assert_allclose(implied(table), np.array(weights) / np.sum(weights), atol=1e-12)


@pytest.mark.parametrize("weights", [[1, 1, 1, 1], [5, 1, 1, 1, 8], [1e-3, 2, 0.5, 0.25, 7]])
def test_draws_follow_the_weights(weights):
    table = AliasTable(torch.tensor(weights, dtype=torch.float64))
    drawn = table.draw((200, 200), torch.Generator().manual_seed(1))
    assert (drawn.shape, drawn.dtype) == ((200, 200), torch.int32)
    counts, odds = np.bincount(drawn.view(-1), minlength=len(weights)), np.array(weights) / np.sum(weights)
    assert stats.chisquare(counts, 40_000 * odds).pvalue > 1e-4
