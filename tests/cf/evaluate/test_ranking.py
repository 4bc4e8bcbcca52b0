import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlm_ray.cf import DivergedError, EmbeddingScores, Positives, top_items, top_k
from hnlm_ray.cf.evaluate import ranking
from hnlm_ray.cf.kernels import top_k as highest
from hnlm_ray.cf.scoring import ALIGNED, empty_scores


def by_score_then_index(scores, k):
    """Columns by a full stable sort."""
    return np.argsort(-scores.numpy(), axis=1, kind="stable")[:, :k]


def check(scores, k):
    values, columns = top_k(scores, k)
    expected = by_score_then_index(scores, k)
    assert np.array_equal(columns.numpy(), expected)
    assert np.array_equal(values.numpy(), np.take_along_axis(scores.numpy(), expected, 1))


class Recorded:
    """Scores given as a matrix; keeps the sizes of the blocks that were asked for."""

    device = torch.device("cpu")

    def __init__(self, matrix):
        self.matrix, self.items, self.asked = matrix, matrix.shape[1], []

    def scores(self, users):
        self.asked.append(len(users))
        return self.matrix[users]

    def check(self):
        pass


@pytest.mark.parametrize("k", [1, 5, 29, 30])
@pytest.mark.parametrize("levels", [1, 2, 6, 1000])
def test_ties_go_to_the_lower_index(k, levels):
    check(torch.randint(levels, (50, 30), generator=torch.Generator().manual_seed(k)).float(), k)


@settings(max_examples=150, deadline=None)
@given(
    columns=st.integers(1, 90),
    k=st.integers(1, 12),
    group=st.integers(1, 12),
    levels=st.sampled_from([1, 2, 3, 8, 10**6]),
    masked=st.floats(0, 1),
    seed=st.integers(0, 2**31),
)
def test_groups_of_columns_rank_as_a_stable_sort_does(*, columns, k, group, levels, masked, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(-levels, levels + 1, (7, columns), generator=generator).float()
    scores[torch.rand(7, columns, generator=generator) < masked] = -torch.inf
    patch = pytest.MonkeyPatch()
    with patch.context() as small:
        small.setattr(highest, "GROUP", group)
        small.setattr(highest, "WORTH", 1)
        small.setattr(highest, "TIED_ROWS", 2)
        check(scores, min(k, columns))


@pytest.mark.parametrize("kind", ["normal", "whole numbers", "all equal", "rising", "falling", "one group"])
@pytest.mark.parametrize("k", [1, 7, 20])
def test_wide_rows_go_by_groups_and_rank_as_a_stable_sort_does(kind, k, monkeypatch):
    columns, generator = highest.GROUP * highest.WORTH * 20 + 37, torch.Generator().manual_seed(k)
    scores = {
        "normal": torch.randn(5, columns, generator=generator),
        "whole numbers": torch.randint(4, (5, columns), generator=generator).float(),
        "all equal": torch.zeros(5, columns),
        "rising": torch.arange(columns).float().expand(5, -1),
        "falling": -torch.arange(columns).float().expand(5, -1),
        "one group": torch.zeros(5, columns).index_fill_(1, torch.arange(3000, 3025), 1.0),
    }[kind]
    monkeypatch.setattr(highest, "_by_columns", widths := Widths(highest._by_columns))
    check(scores, k)
    assert max(widths.seen) < columns / 4
    check(scores.flip(1), k)


class Widths:
    """A function that keeps how many columns it was given."""

    def __init__(self, function):
        self.function, self.seen = function, []

    def __call__(self, scores, k):
        self.seen.append(scores.shape[1])
        return self.function(scores, k)


def test_masked_items_never_appear_and_missing_ones_are_minus_one():
    users, items = torch.eye(3), torch.tensor([[1.0, 0, 0], [2, 5, 0], [3, 0, 1], [4, 0, 0]])
    seen = [Positives.from_pairs([0, 2], [3, 0], 3), Positives.from_pairs([0, 0, 0], [0, 1, 2], 3)]
    for at_a_time in (1, 2, None):
        ranked, scores = top_items(
            EmbeddingScores(users, items), np.array([2, 0, 1]), seen, 5, users_per_block=at_a_time
        )
        assert ranked.tolist() == [[2, 1, 3, -1, -1], [-1] * 5, [1, 0, 2, 3, -1]]
        assert scores[0].tolist() == [1, 0, 0, -np.inf, -np.inf]
        assert (ranked.dtype, scores.dtype) == (np.int32, np.float32)


def test_lists_of_a_large_catalogue_equal_a_stable_sort_with_the_seen_items_last():
    rng, n_items = np.random.default_rng(0), highest.GROUP * highest.WORTH * 3 + 11
    users, items = torch.randint(-2, 3, (40, 4)).float(), torch.randint(-2, 3, (n_items, 4)).float()
    pairs = np.unique(rng.integers(0, [40, n_items], (9000, 2)), axis=0)
    scores = users @ items.T
    scores[torch.from_numpy(pairs[:, 0]), torch.from_numpy(pairs[:, 1])] = -torch.inf
    ranked, _ = top_items(EmbeddingScores(users, items), np.arange(40), [Positives.from_pairs(*pairs.T, 40)], 3)
    assert np.array_equal(ranked, by_score_then_index(scores, 3))


def test_no_more_than_a_block_of_scores_is_asked_for():
    scorer = Recorded(torch.rand(1000, 3))
    whole, _ = top_items(scorer, np.arange(1000), [], 2)
    assert max(scorer.asked) == ranking.USERS_PER_BLOCK
    scorer.asked.clear()
    assert np.array_equal(top_items(scorer, np.arange(1000), [], 2, users_per_block=7)[0], whole)
    assert max(scorer.asked) == 7
    assert sum(scorer.asked) == 1000


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("items", [1, 3706, 40_981, 200_000, 2**31 - 1])
def test_a_block_holds_a_bounded_number_of_scores(items, device):
    users = ranking.block_users(items, device)
    assert users >= ranking.FEWEST_USERS
    assert users == ranking.FEWEST_USERS or 4 * users * items <= ranking.BLOCK_BYTES[device]


def test_rows_of_scores_start_at_cache_lines():
    scores = empty_scores(3, ALIGNED + 1, torch.empty(0))
    assert scores.shape == (3, ALIGNED + 1)
    assert scores.stride() == (2 * ALIGNED, 1)
    users, items = torch.randn(6, 5), torch.randn(33, 5)
    chosen = torch.tensor([4, 4, 0])
    torch.testing.assert_close(EmbeddingScores(users, items).scores(chosen), users[chosen] @ items.T)


def test_raw_scores_are_ranked_where_sigmoids_would_tie():
    items = torch.tensor([[100.0], [101.0], [102.0]])
    assert torch.sigmoid(items).unique().numel() == 1
    assert top_items(EmbeddingScores(torch.ones(1, 1), items), np.array([0]), [], 3)[0].tolist() == [[2, 1, 0]]


def test_embeddings_that_are_not_finite_are_no_ranking():
    with pytest.raises(DivergedError, match="not finite"):
        top_items(EmbeddingScores(torch.tensor([[torch.nan]]), torch.ones(2, 1)), np.array([0]), [], 1)


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
@pytest.mark.parametrize("items", [5, highest.GROUP * highest.WORTH * 2])
def test_a_score_that_is_not_finite_is_no_ranking_wherever_it_stands(wrong, items):
    for place in (0, items // 2, items - 1):
        scorer = Recorded(torch.zeros(4, items))
        scorer.matrix[2, place] = wrong
        with pytest.raises(DivergedError, match=r"score of user 2 is (nan|inf).*cf\.lr"):
            top_items(scorer, np.arange(4), [], 2)
        # A user who has seen the item can be ranked without it.
        seen = Positives.from_pairs([2], [place], 4)
        assert place not in top_items(scorer, np.arange(4), [seen], 2)[0][2]


def test_finite_embeddings_whose_products_overflow_are_no_ranking():
    with pytest.raises(DivergedError, match="not finite"):
        top_items(EmbeddingScores(torch.full((1, 2), 3e20), torch.full((3, 2), 3e20)), np.array([0]), [], 1)


def test_an_item_that_its_scorer_gives_minus_infinity_is_never_listed():
    scorer = Recorded(torch.tensor([[-torch.inf, 1.0, 0.0]]))
    assert top_items(scorer, np.array([0]), [], 3)[0].tolist() == [[1, 2, -1]]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("items", [50, highest.GROUP * highest.WORTH * 20])
def test_a_gpu_breaks_ties_as_the_cpu_does(items):
    generator = torch.Generator().manual_seed(0)
    users, table = (torch.randint(-2, 3, (rows, 4), generator=generator).float() for rows in (300, items))
    seen = [Positives.from_pairs(np.arange(300), np.arange(300) % items, 300)]
    lists = [
        top_items(EmbeddingScores(users.to(device), table.to(device)), np.arange(300), seen, 20)[0]
        for device in ("cpu", "cuda")
    ]
    assert np.array_equal(*lists)
