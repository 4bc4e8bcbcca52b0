"""EASE against ridge regressions written out, a column at a time; as a model; as a teacher."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, EmbeddingScores, Positives, evaluate, open_training, train
from hnlm_ray.cf.closed_form import ease as solved_ease
from hnlm_ray.cf.kernels import gram as ease_module
from hnlm_ray.cf.kernels.gram import add_text_kernel, item_gram, solve_ease
from hnlm_ray.config import CFConfig


def config(**ease):
    return CFConfig(model="ease", ease={"reg": 3.0, **ease})


def matrix(data):
    dense = np.zeros((data.users, data.items))
    dense[data.train.pairs()] = 1
    return dense


def column(gram, j, reg):
    """The weights of item j: ridge on the other items, b_j = 0."""
    others = np.delete(np.arange(len(gram)), j)
    found = np.zeros(len(gram))
    found[others] = np.linalg.solve(gram[np.ix_(others, others)] + reg * np.eye(len(others)), gram[others, j])
    return found


def literal_gram(data, *, normalise=False, text=0.0):
    x, items = matrix(data), data.items
    gram = np.zeros((items, items))
    for row in x:
        gram += np.outer(row, row) / (row.sum() if normalise and row.any() else 1)
    if text:
        vectors = data.item_text.astype(float) - data.item_text.astype(float).mean(0)
        diagonal = np.diag(gram).copy()
        for i in range(items):
            for j in range(items):
                cosine = vectors[i] @ vectors[j] / np.linalg.norm(vectors[i]) / np.linalg.norm(vectors[j])
                gram[i, j] += text * np.sqrt(diagonal[i] * diagonal[j]) * max(cosine, 0) ** 2
    return gram


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("text", [0.0, 0.7])
def test_each_column_is_a_ridge_regression_on_the_other_items(texted, normalise, text, monkeypatch):
    monkeypatch.setattr(ease_module, "ITEMS_PER_BLOCK", 33)
    model = open_training(texted, config(normalise=normalise, text=text), 0)
    report = model.run_epoch()
    gram, objective = literal_gram(texted, normalise=normalise, text=text), 0.0
    for j in range(texted.items):
        expected = column(gram, j, 3.0)
        np.testing.assert_allclose(model.tensors["weights"][:, j], expected, atol=1e-5)
        apart = np.eye(texted.items)[j] - expected
        objective += apart @ gram @ apart + 3.0 * expected @ expected
    assert report.loss == pytest.approx(objective / len(texted.train), rel=1e-8)


def test_the_objective_is_the_squared_error_and_the_ridge(data):
    x = matrix(data)
    weights, objective = solve_ease(item_gram(sp.csr_matrix(x)), 3.0)
    assert objective == pytest.approx(np.square(x - x @ weights).sum() + 3 * np.square(weights).sum(), rel=1e-6)


def test_an_item_without_text_gets_nothing_from_the_kernel(texted):
    text = texted.item_text.copy()
    text[7] = 0
    before, gram = (item_gram(sp.csr_matrix(matrix(texted))) for _ in range(2))
    add_text_kernel(gram, text, 1.0)
    assert np.array_equal(gram[7], before[7])
    assert np.array_equal(gram[:, 7], before[:, 7])
    assert (gram != before).any()


def test_text_weight_0_reads_no_text_and_another_needs_it(data, texted):
    with_text, without = (open_training(part, config(), 0) for part in (texted, data))
    assert with_text.run_epoch().loss == without.run_epoch().loss
    assert torch.equal(with_text.tensors["weights"], without.tensors["weights"])
    with pytest.raises(InputError, match=r"cf\.ease\.text 0\.5 .* has none"):
        open_training(data, config(text=0.5), 0)


def test_a_matrix_that_is_not_positive_definite_is_an_error():
    with pytest.raises(InputError, match=r"raise cf\.ease\.reg or lower cf\.ease\.text"):
        solve_ease(np.asfortranarray([[1.0, 5.0], [5.0, 1.0]]), 0.5)


def test_scores_are_rows_of_x_times_b_in_any_block(data, monkeypatch):
    monkeypatch.setattr(solved_ease, "COLUMNS_ON_CPU", 33)
    model = open_training(data, config(), 0)
    model.run_epoch()
    scorer, users = model.scorer(), torch.tensor([41, 0, 7, 7, 59])
    scores = scorer.scores(users)
    assert (scores.dtype, scorer.items) == (torch.float32, data.items)
    np.testing.assert_allclose(scores, matrix(data)[users] @ model.tensors["weights"].double().numpy(), atol=1e-5)
    for place, user in enumerate(users):
        assert torch.equal(scores[place], scorer.scores(user[None])[0])


def test_a_user_without_history_scores_all_items_alike():
    model = open_training(CFData(3, 4, Positives.from_pairs([0, 0, 2], [0, 1, 1], 3)), config(normalise=True), 0)
    model.run_epoch()
    assert not model.scorer().scores(torch.tensor([1])).any()


def test_it_is_solved_in_one_epoch_and_ranks_better_than_popularity(make_planted):
    data = make_planted(users=120, seed=4)
    training = train(data, config(), 0)
    assert (training.epochs, training.best_epoch, training.trainer.finished) == (1, 1, True)
    popularity = torch.from_numpy(data.train.popularity(data.items)).float()[:, None]
    popular = evaluate(EmbeddingScores(torch.ones(data.users, 1), popularity), data, "test").means["ndcg@20"]
    assert evaluate(training.scorer, data, "test").means["ndcg@20"] > 1.5 * popular
    with pytest.raises(InputError, match="no embeddings"):
        _ = training.item_embeddings


def test_the_state_is_all_that_there_is_and_one_of_another_catalogue_is_refused(data, make_planted):
    solved, fresh = (open_training(data, config(), seed) for seed in (0, 1))
    solved.run_epoch()
    fresh.load_state_dict(solved.state_dict())
    assert fresh.finished
    users = torch.arange(data.users)
    assert torch.equal(fresh.scorer().scores(users), solved.scorer().scores(users))
    with pytest.raises(InputError, match="'weights' is \\[80, 80\\]"):
        open_training(make_planted(items=70), config(), 0).load_state_dict(solved.state_dict())
    with pytest.raises(InputError, match="lacks epoch"):
        fresh.load_state_dict(solved.weights())


def test_validation_none_solves_with_validation(data):
    both = open_training(data, config().model_copy(update={"validation": "none"}), 0)
    both.run_epoch()
    union = CFData(data.users, data.items, both.data.train)
    assert len(union.train) == len(data.train) + len(data.validation)
    expected = column(literal_gram(union), 5, 3.0)
    np.testing.assert_allclose(both.tensors["weights"][:, 5], expected, atol=1e-5)


def test_too_many_items_and_no_pairs_are_refused_at_once(data, monkeypatch):
    with pytest.raises(InputError, match="no training pair"):
        open_training(CFData(2, 3, Positives.from_pairs([], [], 2)), config(), 0)
    monkeypatch.setattr(ease_module, "MOST_ITEMS", 79)
    with pytest.raises(InputError, match="80 x 80 items and takes at most 79"):
        open_training(data, config(), 0)


@pytest.mark.parametrize("model", ["ease", "ials"])
@pytest.mark.parametrize(
    "setting",
    [{"sampler": "dns"}, {"loss": "softmax"}, {"reg": 1.0}, {"precision": "bfloat16"}, {"schedule": "cosine"}],
)
def test_settings_of_gradients_are_refused_of_a_model_that_is_solved(data, model, setting):
    with pytest.raises(InputError, match=rf"cf\.{next(iter(setting))} .*cf\.{model}; leave it at"):
        open_training(data, CFConfig(model=model, **setting), 0)
    open_training(data, CFConfig(model=model, dim=8, layers=1, lr=0.1, batch_size=10), 0)


def test_its_scores_teach_a_model(data):
    """The exact softmax with EASE distilled into it comes nearer to softmax(z / 2), EASE's soft targets."""
    teacher = train(data, config(), 0).scorer
    data = replace(data, validation=None, teacher=teacher)
    settings = {"model": "mf", "loss": "softmax", "dim": 16, "lr": 0.05, "epochs": 15, "batch_size": 200}
    alone, taught = (train(data, CFConfig(softmax={"distill": weight}, **settings), 0).scorer for weight in (0.0, 1.0))
    users = torch.arange(data.users)
    scores = teacher.scores(users).double()
    z = (scores - scores.mean(1, keepdim=True)) / scores.std(1, correction=0, keepdim=True)
    soft = torch.softmax(z / 2, 1)

    def divergence(scorer):
        model = torch.log_softmax(scorer.scores(users).double() / 0.2, 1)
        return (soft * (soft.log() - model)).sum(1).mean().item()

    assert divergence(taught) < 0.7 * divergence(alone)


def test_a_teacher_of_another_catalogue_is_refused(data, make_planted):
    teacher = train(make_planted(items=70), config(), 0).scorer
    with pytest.raises(InputError, match="teacher scores 70 items and the data has 80"):
        replace(data, teacher=teacher)


def test_a_text_weight_with_text_of_no_item_is_refused(texted):
    blank = replace(texted, item_text=np.zeros_like(texted.item_text))
    with pytest.raises(InputError, match=r"cf\.ease\.text .* has none"):
        open_training(blank, config(text=0.1), 0)
