"""What the comparison of held-out users measures, against the words of its definition, and what it compares with."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.config import CFTeacherConfig
from hnlm_ray.finetune.baselines import cf_mlp, cf_ridge, fit_ridge, mining_rule, targets_of, user_means
from hnlm_ray.finetune.batches import Records
from hnlm_ray.finetune.evaluate.comparison import METRICS
from hnlm_ray.finetune.evaluate.metrics import Measured, Ranking, compared, measure, measure_scores
from hnlm_ray.finetune.query import Query
from hnlm_ray.teacher.mining import UserPairs, mine
from hnlm_ray.teacher.vectors import Vectors

ITEMS, K = 60, 5


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def records_of(rows, users=None, items=None, catalogue=None):
    """Records whose queries hold nothing; vectors of zeros unless given."""
    nothing = np.zeros((len(rows), K), np.float32)
    catalogue = np.eye(ITEMS, K, dtype=np.float32) if catalogue is None else catalogue
    given = nothing if users is None else users, nothing if items is None else items
    table = pa.table(
        {
            **{name: pa.array([row[name] for row in rows], pa.int32()) for name in ("user", "item", "target")},
            "negatives": pa.array([row.get("negatives", []) for row in rows], pa.list_(pa.int32())),
            "weight": pa.array([row.get("weight", 1.0) for row in rows], pa.float32()),
        }
    )
    return Records([Query([1], 0)] * len(rows), table, *given, catalogue)


def literal(scores, targets, excluded, liked):
    """The definitions in plain loops: candidates by score, then by index; figures are means over the records."""
    found = Counter()
    for row, target in enumerate(targets):
        allowed = [item for item in range(ITEMS) if item not in excluded[row]]
        ranked = sorted(allowed, key=lambda item: (-scores[row][item], item))
        rank = ranked.index(target) + 1
        found["mrr"] += 1 / rank
        found["recall@10"] += rank <= 10
        found["recall@50"] += rank <= 50
        found["false_negative_rate"] += sum(item in liked[row] for item in ranked[:10]) / 10
    return {name: found[name] / len(targets) for name in ("mrr", "recall@10", "recall@50", "false_negative_rate")}


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_ranks_are_those_of_plain_loops_whatever_the_ties(seed, levels):
    draw = np.random.default_rng(seed)
    rows = [{"user": n, "item": 0, "target": int(draw.integers(ITEMS))} for n in range(6)]
    scores = draw.integers(0, levels, (6, ITEMS)).astype(np.float32)  # few different values: ties are the rule
    there = draw.random(ITEMS) < 0.9
    train, validation = (
        {n: draw.choice(ITEMS, int(draw.integers(0, 9)), replace=False).tolist() for n in range(6)} for _ in range(2)
    )
    for row in rows:  # a target has a vector and is nobody's training item
        there[row["target"]] = True
        train[row["user"]] = [item for item in train[row["user"]] if item != row["target"]]
    excluded = [set(train[n]) | set(np.flatnonzero(~there).tolist()) for n in range(6)]
    liked = [set(validation[n]) for n in range(6)]
    found = measure_scores(scores, Ranking.of(records_of(rows), there, train, validation))
    wanted = literal(scores, [row["target"] for row in rows], excluded, liked)
    assert found.metrics == pytest.approx(wanted)
    assert found.reciprocal.mean() == pytest.approx(wanted["mrr"])


def test_equal_scores_put_the_lower_index_first():
    rows = [{"user": 0, "item": 0, "target": 7}]
    ranking = Ranking.of(records_of(rows), np.ones(ITEMS, bool), {}, {})
    assert measure_scores(np.zeros((1, ITEMS), np.float32), ranking).metrics["mrr"] == pytest.approx(1 / 8)


def test_training_items_and_items_without_a_vector_are_not_ranked():
    rows = [{"user": 3, "item": 0, "target": 7}]
    there = np.ones(ITEMS, bool)
    there[:4] = False
    ranking = Ranking.of(records_of(rows), there, {3: [4, 5, 6]}, {})
    assert measure_scores(np.zeros((1, ITEMS), np.float32), ranking).metrics["mrr"] == 1
    other = Ranking.of(records_of(rows), there, {4: [4, 5, 6]}, {})
    assert measure_scores(np.zeros((1, ITEMS), np.float32), other).metrics["mrr"] == pytest.approx(1 / 4)


def test_vectors_are_ranked_by_cosine_not_by_length():
    draw = np.random.default_rng(1)
    catalogue = draw.normal(size=(ITEMS, K)).astype(np.float32)
    rows = [{"user": n, "item": n + 1, "target": int(draw.integers(ITEMS))} for n in range(30)]
    ranking = Ranking.of(records_of(rows, catalogue=catalogue), np.ones(ITEMS, bool), {}, {})
    targets = catalogue[[row["target"] for row in rows]]
    perfect = measure(targets * draw.uniform(0.1, 9, (30, 1)).astype(np.float32), ranking).metrics
    assert perfect["mrr"] == perfect["recall@10"] == 1
    assert perfect["cos_target"] == pytest.approx(1)
    positives = catalogue[[row["item"] for row in rows]]
    cosine = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(targets, positives, strict=True)]
    assert perfect["cos_positive"] == pytest.approx(float(np.mean(cosine)), abs=1e-5)
    stretched = Ranking.of(records_of(rows, catalogue=3 * catalogue), np.ones(ITEMS, bool), {}, {})
    assert measure(targets, stretched).metrics == pytest.approx(measure(targets, ranking).metrics, abs=1e-5)


def test_every_metric_is_explained_where_it_is_printed():
    rows = [{"user": 0, "item": 0, "target": 7}]
    ranking = Ranking.of(records_of(rows), np.ones(ITEMS, bool), {}, {})
    assert set(measure(np.ones((1, K), np.float32), ranking).metrics) == set(METRICS)


def slow_ridge(features, targets, asked, penalty):
    """Least squares on rows that the penalty adds: the definition of ridge regression."""
    centre, spread, mean = features.mean(0), features.std(0), targets.mean(0)
    x = np.concatenate([(features - centre) / spread, np.sqrt(penalty) * np.eye(features.shape[1])])
    y = np.concatenate([targets - mean, np.zeros((features.shape[1], targets.shape[1]))])
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    return (asked - centre) / spread @ weights + mean


@pytest.mark.parametrize(("n", "d"), [(80, 6), (20, 40)])
def test_ridge_is_least_squares_with_the_penalty_that_predicts_records_left_out_best(n, d):
    draw = np.random.default_rng(n)
    features = draw.normal(size=(n, d)) * draw.uniform(0.1, 5, d) + 3
    targets = features @ draw.normal(size=(d, 3)) + 4 * draw.normal(size=(n, 3))
    asked = draw.normal(size=(9, d))
    found = fit_ridge(features.astype(np.float32), targets.astype(np.float32)).predict(asked.astype(np.float32))
    errors = {}
    for factor in (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0):
        centred = (features - features.mean(0)) / features.std(0)
        hat = centred @ np.linalg.solve(centred.T @ centred + factor * n * np.eye(d), centred.T) + 1 / n
        residual = (targets - hat @ targets) / (1 - np.diag(hat))[:, None]
        errors[factor] = float((residual**2).mean())
    best = min(errors, key=errors.get)
    assert np.allclose(found, slow_ridge(features, targets, asked, best * n), rtol=1e-3, atol=1e-2)
    worst = max(errors, key=errors.get)
    assert not np.allclose(found, slow_ridge(features, targets, asked, worst * n), rtol=1e-3, atol=1e-2)


def planted(users, draw, catalogue, rule):
    """Records whose target is the item nearest to what ``rule`` makes of the user's vector."""
    vectors = draw.normal(size=(users, K)).astype(np.float32)
    items = draw.integers(ITEMS, size=users)
    targets = np.argmax(vectors @ rule @ (catalogue / np.linalg.norm(catalogue, axis=1, keepdims=True)).T, axis=1)
    rows = [
        {
            "user": n,
            "item": int(item),
            "target": int(target),
            "negatives": [j for j in draw.choice(ITEMS, 5, replace=False).tolist() if j != target],
        }
        for n, (item, target) in enumerate(zip(items, targets, strict=True))
    ]
    return records_of(rows, vectors, catalogue[items], catalogue)


def test_the_mlp_learns_a_rule_of_cf_vectors_and_applies_it_to_other_users():
    draw = np.random.default_rng(4)
    catalogue, rule = draw.normal(size=(ITEMS, K)).astype(np.float32), draw.normal(size=(K, K))
    train, held_out = (planted(users, draw, catalogue, rule) for users in (400, 80))
    ranking = Ranking.of(held_out, np.ones(ITEMS, bool), {}, {})
    predicted = cf_mlp(train, held_out, 0.05, 1)
    learned = measure(predicted, ranking).metrics
    chance = measure(draw.normal(size=(80, K)).astype(np.float32), ranking).metrics
    assert learned["mrr"] > 0.4 > 3 * chance["mrr"]
    assert learned["cos_target"] > 0.8
    assert np.array_equal(predicted, cf_mlp(train, held_out, 0.05, 1))


def test_a_user_s_mean_is_of_unit_vectors_of_their_training_items():
    catalogue = np.zeros((ITEMS, K), np.float32)
    catalogue[3, 0], catalogue[4, 1] = 100, 1
    rows = [{"user": 9, "item": 3, "target": 4}, {"user": 2, "item": 4, "target": 3}]
    found = user_means(records_of(rows, catalogue=catalogue), {9: [3, 4], 2: [4]})
    assert found.tolist() == [[0.5, 0.5, 0, 0, 0], [0, 1, 0, 0, 0]]


def test_targets_are_in_unit_length():
    catalogue = np.arange(1, ITEMS * K + 1, dtype=np.float32).reshape(ITEMS, K)
    found = targets_of(records_of([{"user": 0, "item": 0, "target": 8}], catalogue=catalogue))
    assert np.allclose(found, catalogue[8] / np.linalg.norm(catalogue[8]))


def test_the_ridge_of_cf_vectors_learns_a_linear_rule_of_them():
    draw = np.random.default_rng(5)
    catalogue, rule = draw.normal(size=(ITEMS, K)).astype(np.float32), np.eye(K)
    train, held_out = (planted(users, draw, catalogue, rule) for users in (400, 80))
    ranking = Ranking.of(held_out, np.ones(ITEMS, bool), {}, {})
    found, again = (cf_ridge(records, held_out) for records in (train, planted(400, draw, catalogue, -rule)))
    assert measure(found, ranking).metrics["mrr"] > 0.6
    assert measure(again, ranking).metrics["mrr"] < 0.1


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_the_rule_that_mined_the_targets_ranks_each_first_and_the_other_mined_items_next(margin):
    """Whole numbers: ties are the rule, and items without a vector are among the others."""
    draw = np.random.default_rng(11)
    there = draw.random(ITEMS) < 0.9
    matrix = draw.integers(-3, 4, (ITEMS, K)).astype(np.float32) * there[:, None]
    users = draw.integers(-3, 4, (20, K)).astype(np.float32)
    histories = {user: draw.choice(ITEMS, 9, replace=False).tolist() for user in range(20)}
    config = CFTeacherConfig.model_validate({"window": (4, 20), "mined": 5, "guard_margin": margin})
    items = Vectors(matrix, there)
    asked = [UserPairs(user, history, history[:4]) for user, history in histories.items()]
    mined = [row for row in mine(asked, users, items, config).rows if row["negatives"]]
    assert len(mined) > 20
    draw.shuffle(mined)
    rows = [{**row, "target": row["negatives"][0], "negatives": [row["item"]]} for row in mined]
    owners = [row["user"] for row in rows]
    records = records_of(rows, users[owners], matrix[[row["item"] for row in rows]], matrix)
    scores = mining_rule(records, histories, items, config)
    ranking = Ranking.of(records, there, histories, {})
    assert measure_scores(scores, ranking).reciprocal.tolist() == [1.0] * len(rows)
    for place, row in enumerate(mined):
        first = np.argsort(-scores[place], kind="stable")[: len(row["negatives"])]
        assert first.tolist() == row["negatives"]


def test_methods_are_compared_with_the_first_by_user():
    rows = [{"user": n // 3, "item": 0, "target": 7} for n in range(60)]
    ranking = Ranking.of(records_of(rows), np.ones(ITEMS, bool), {}, {})
    draw = np.random.default_rng(2)
    own, other = draw.uniform(0.5, 1, 60), draw.uniform(0, 0.5, 60)
    measured = [(name, Measured({"mrr": float(values.mean())}, values)) for name, values in (("a", own), ("b", other))]
    first, second = (dict(row["metrics"]) for row in compared(measured, ranking, 1))
    assert set(first) == {"mrr", "mrr_low", "mrr_high"}
    assert second["difference"] == pytest.approx(first["mrr"] - second["mrr"])
    assert 0 < second["difference_low"] < second["difference"] < second["difference_high"]
    assert [dict(row["metrics"]) for row in compared(measured, ranking, 1)] == [first, second]


def test_few_users_have_figures_and_no_intervals():
    rows = [{"user": n // 15, "item": 0, "target": 7} for n in range(60)]
    ranking = Ranking.of(records_of(rows), np.ones(ITEMS, bool), {}, {})
    measured = [(name, Measured({"mrr": 0.5}, np.full(60, 0.5))) for name in ("a", "b")]
    assert [dict(row["metrics"]) for row in compared(measured, ranking, 1)] == [
        {"mrr": 0.5},
        {"mrr": 0.5, "difference": 0},
    ]
