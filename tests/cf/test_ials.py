"""iALS against its normal equations written out, a row at a time, in float64."""

import io
import itertools

import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, DivergedError, EmbeddingScores, Positives, evaluate, open_training, train
from hnlm_ray.cf.closed_form import ials as least_squares
from hnlm_ray.config import CFConfig


def config(dim=6, epochs=4, **ials):
    return CFConfig(model="ials", dim=dim, epochs=epochs, ials={"unobserved": 0.2, "reg": 0.05, "power": 0.7, **ials})


def matrix(data):
    dense = np.zeros((data.users, data.items))
    dense[data.train.pairs()] = 1
    return dense


def tables(model):
    return model.tensors["users"].double().numpy(), model.tensors["items"].double().numpy()


def literal_half(x, others, ials):
    """Solve each row of x: (alpha0 H^T H + H_S^T H_S + lambda (n + alpha0 m)^nu I) row = H_S^T 1."""
    solved = np.zeros((len(x), others.shape[1]))
    for row, observed in enumerate(x):
        liked = others[observed == 1]
        penalty = ials.reg * (len(liked) + ials.unobserved * len(others)) ** ials.power
        left = ials.unobserved * others.T @ others + liked.T @ liked + penalty * np.eye(others.shape[1])
        solved[row] = np.linalg.solve(left, liked.sum(0))
    return solved


def literal_objective(x, users, items, ials):
    scores = users @ items.T
    total = np.square(scores - 1)[x == 1].sum() + ials.unobserved * np.square(scores).sum()
    for rows, table, others in ((x, users, len(items)), (x.T, items, len(users))):
        penalty = ials.reg * (rows.sum(1) + ials.unobserved * others) ** ials.power
        total += (penalty * np.square(table).sum(1)).sum()
    return total


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("dim", [3, 8, 20])
def test_an_epoch_is_its_normal_equations_row_by_row(data, dim, power, monkeypatch):
    """Users have 8 positives and items 1 to 14: more of them than dimensions, equally many, and fewer."""
    monkeypatch.setattr(least_squares, "CELLS_PER_BLOCK", 150)
    monkeypatch.setattr(least_squares, "ROWS_PER_BLOCK", 13)
    settings, x = config(dim, power=power), matrix(data)
    model = open_training(data, settings, 3)
    for _ in range(2):
        _, items = tables(model)
        report = model.run_epoch()
        users = literal_half(x, items, settings.ials)
        items = literal_half(x.T, users, settings.ials)
        np.testing.assert_allclose(tables(model)[0], users, atol=1e-5)
        np.testing.assert_allclose(tables(model)[1], items, atol=1e-5)
        objective = literal_objective(x, users, items, settings.ials)
        assert report.loss == pytest.approx(objective / len(data.train), rel=1e-6)


def test_no_epoch_raises_the_objective(data):
    model = open_training(data, config(), 0)
    losses = [model.run_epoch().loss for _ in range(25)]
    assert all(after <= before * (1 + 1e-6) for before, after in itertools.pairwise(losses))
    assert losses[-1] < 0.9 * losses[0]


def test_the_penalty_of_a_row_grows_with_its_positives_where_the_power_says_so():
    """Two users like only items that nobody else likes, the second three times as many."""
    data = CFData(2, 4, Positives.from_pairs([0, 1, 1, 1], [0, 1, 2, 3], 2))
    seen = []
    for power in (0.0, 1.0):
        model = open_training(data, config(power=power), 0)
        half = model._half(2, model._of_users, model.tensors["items"])
        norms = half.rows.double().square().sum(1)
        seen.append(half.penalty)
        scale = [0.05 * (n + 0.2 * 4) ** power for n in (1, 3)]
        assert half.penalty == pytest.approx(sum(s * n for s, n in zip(scale, norms.tolist(), strict=True)), rel=1e-6)
    assert seen[0] != seen[1]


def test_users_and_items_without_positives_are_zero_and_do_not_disturb_the_others():
    data = CFData(4, 5, Positives.from_pairs([0, 0, 3], [1, 2, 2], 4))
    model = open_training(data, config(), 0)
    model.run_epoch()
    users, items = tables(model)
    assert np.array_equal(users.any(1), [True, False, False, True])
    assert np.array_equal(items.any(1), [False, True, True, False, False])
    assert not model.scorer().scores(torch.tensor([1])).any()


def test_a_user_who_has_every_item_is_solved_too(data):
    pairs = [(0, item) for item in range(5)] + [(1, 2)]
    model = open_training(CFData(2, 5, Positives.from_pairs(*np.array(pairs).T, 2)), config(), 0)
    assert np.isfinite(model.run_epoch().loss)
    assert model.skipped_pairs == 0


def test_more_dimensions_than_rows(data):
    """The Gram matrix has no full rank then."""
    settings, x = config(dim=100), matrix(data)
    model = open_training(data, settings, 3)
    _, items = tables(model)
    model.run_epoch()
    np.testing.assert_allclose(tables(model)[0], literal_half(x, items, settings.ials), atol=1e-5)


def test_resuming_is_equal_bit_for_bit(data):
    straight, first, resumed = (open_training(data, config(), seed) for seed in (5, 5, 999))
    losses = [straight.run_epoch().loss for _ in range(4)]
    first.run_epoch()
    first.run_epoch()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert [resumed.run_epoch().loss for _ in range(2)] == losses[2:]
    assert (resumed.epoch, resumed.finished) == (4, False)
    for name, tensor in straight.tensors.items():
        assert torch.equal(resumed.tensors[name], tensor)


def test_a_state_of_another_width_is_refused(data):
    state = open_training(data, config(dim=5), 0).state_dict()
    with pytest.raises(InputError, match=r"'users' is \[60, 5\]"):
        open_training(data, config(dim=6), 0).load_state_dict(state)


def test_a_seed_repeats_and_another_differs(data):
    runs = [open_training(data, config(), seed) for seed in (1, 1, 2)]
    for run in runs:
        run.run_epoch()
    assert torch.equal(runs[0].tensors["items"], runs[1].tensors["items"])
    assert not torch.allclose(runs[0].tensors["items"], runs[2].tensors["items"])


def test_the_start_is_of_the_published_scale(make_planted):
    model = open_training(make_planted(users=400, items=400), config(dim=25), 0)
    for table in tables(model):
        assert table.std() == pytest.approx(0.1 / 5, rel=0.05)


def test_scores_handed_out_stay_as_they_are(data):
    model = open_training(data, config(), 0)
    model.run_epoch()
    scorer = model.scorer()
    before = scorer.scores(torch.arange(60))
    model.run_epoch()
    assert torch.equal(scorer.scores(torch.arange(60)), before)
    assert not torch.equal(model.scorer().scores(torch.arange(60)), before)


def test_planted_structure_is_learnt_and_the_best_epoch_is_kept(make_planted):
    data = make_planted(users=120, seed=4)
    training = train(data, config(dim=8, epochs=12), 0)
    assert evaluate(training.scorer, data, "validation").means == training.validation
    popularity = torch.from_numpy(data.train.popularity(data.items)).float()[:, None]
    popular = evaluate(EmbeddingScores(torch.ones(data.users, 1), popularity), data, "test").means["ndcg@20"]
    assert evaluate(training.scorer, data, "test").means["ndcg@20"] > 1.5 * popular
    assert training.item_embeddings.shape == (80, 8)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), 1e30])
def test_what_is_not_finite_is_an_error(data, broken):
    model = open_training(data, config(), 0)
    model.tensors["items"][3] = broken
    with pytest.raises(DivergedError, match=r"epoch 1 .*raise cf\.ials\.reg"):
        model.run_epoch()
