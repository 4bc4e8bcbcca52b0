"""What the engine is given and can't use is a typed error of one sentence; what it can use is defined here."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import (
    MODELS,
    CFData,
    DivergedError,
    EmbeddingScores,
    NegativePool,
    PairVectors,
    Positives,
    Trainer,
    evaluate,
    open_training,
    train,
)
from hnlm_ray.cf.data.observed import Observed
from hnlm_ray.config import CFConfig

SMALL = {"dim": 8, "batch_size": 100, "candidates": 3, "epochs": 2, "lr": 0.01}
LOSSES = ("bpr", "hinge", "softmax", "sampled_softmax", "sfcml")
SAMPLERS = ("rns", "pns", "dns", "dns_mn", "srns", "mixgcf", "dins", "ahns")
SOLVED = {"ease": {}, "ials": {}, "popularity": {}}


def config(**settings):
    return CFConfig(**{**SMALL, **settings})


def of(pairs, users):
    return Positives.from_pairs(*(np.array(pairs, np.int64).reshape(-1, 2).T), users)


def everything(data):
    """Give the data all that a model may read."""
    rng = np.random.default_rng(0)
    text = rng.standard_normal((data.items, 6)).astype(np.float32)
    return replace(data, item_text=text, triples=np.array([[0, 3, 4]]))


def solved_or_small(model):
    return CFConfig(model=model, epochs=2) if model in SOLVED else config(model=model)


def refused(sentence, call, kind=InputError):
    with pytest.raises(kind, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)


# Users and items at the edge


@pytest.mark.parametrize("model", [*sorted(MODELS), *SOLVED])
def test_a_user_without_items_is_ranked_for_and_shapes_nobody(model):
    """Users 1 and 3 have no training item; 3 has none at all."""
    data = everything(CFData(4, 6, of([(0, 0), (0, 1), (2, 2)], 4), None, of([(1, 3), (2, 4)], 4)))
    training = train(data, solved_or_small(model), 0)
    assert evaluate(training.scorer, data, "test").users.tolist() == [1, 2]


@pytest.mark.parametrize("loss", LOSSES)
def test_no_loss_minds_a_user_without_items(loss):
    data = CFData(4, 6, of([(0, 0), (0, 1), (2, 2)], 4))
    training = train(data, config(model="mf", loss=loss), 0)
    start = Trainer(data, config(model="mf", loss=loss), 0).model.table
    now = training.trainer.model.table
    assert torch.equal(now[[1, 3]], start[[1, 3]])
    assert not torch.equal(now[[0, 2]], start[[0, 2]])


@pytest.mark.parametrize("loss", LOSSES)
def test_a_user_who_has_every_item_is_left_out_and_counted(loss):
    data = CFData(2, 3, of([(0, 0), (0, 1), (0, 2), (1, 1)], 2), None, of([(1, 2)], 2))
    training = train(data, config(loss=loss), 0)
    assert training.skipped_pairs == 3
    assert evaluate(training.scorer, data, "test").users.tolist() == [1]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_user_with_one_unobserved_item_gets_it_always(sampler):
    """More candidates than the catalogue has items."""
    data = CFData(2, 2, of([(0, 0), (1, 1)], 2))
    trainer = Trainer(data, config(model="mf", sampler=sampler, candidates=9), 0)
    batch = next(iter(trainer.pairs.batches(torch.Generator().manual_seed(0), 10)))
    hops = trainer.model.hops() if trainer.sampler.reads == "hops" else trainer.model()
    drawn = trainer.sampler.sample(batch, hops.detach()).items
    assert (drawn.view(len(batch.items), -1) == 1 - batch.items[:, None]).all()


def test_when_all_users_have_every_item_nothing_can_be_trained():
    refused(
        "no training pair whose user has an unobserved item", lambda: train(CFData(1, 1, of([(0, 0)], 1)), config(), 0)
    )
    full = CFData(2, 2, of([(0, 0), (0, 1), (1, 0), (1, 1)], 2))
    refused("no training pair", lambda: train(full, config(), 0))


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
def test_an_item_that_is_in_no_training_pair_is_a_negative_and_is_ranked(model):
    """It can only be pushed down: its row gets gradients as a sampled negative alone."""
    data = CFData(3, 6, of([(0, 0), (1, 1), (2, 2)], 3), None, of([(0, 5)], 3))
    before = Trainer(data, config(model=model, reg=0), 0)
    start = before.model.table.detach().clone()
    training = train(data, config(model=model, epochs=5, reg=0), 0)
    unseen = data.users + np.array([3, 4, 5])
    assert not torch.equal(training.trainer.model.table[unseen], start[unseen])
    found = evaluate(training.scorer, data, "test", (5,))
    assert found.means["recall@5"] == 1


@pytest.mark.parametrize("model", sorted(SOLVED))
def test_an_item_that_is_in_no_training_pair_has_score_0_where_the_model_is_solved(model):
    data = CFData(3, 6, of([(0, 0), (1, 1), (2, 2), (0, 1)], 3), None, of([(0, 5)], 3))
    scores = train(data, CFConfig(model=model, epochs=2), 0).scorer.scores(torch.arange(3))
    torch.testing.assert_close(scores[:, 3:], torch.zeros(3, 3), atol=1e-6, rtol=0)


@pytest.mark.parametrize("model", [*sorted(MODELS), *SOLVED])
def test_one_user_and_one_dimension_are_enough(model):
    data = everything(CFData(1, 5, of([(0, 0), (0, 1)], 1), of([(0, 2)], 1), of([(0, 3)], 1)))
    settings = {} if model in SOLVED else {"dim": 1, "batch_size": 1}
    training = train(data, CFConfig(model=model, epochs=1, **settings), 0)
    assert np.isfinite(training.validation["ndcg@20"])


def test_no_epoch_leaves_the_start_and_tells_how_it_ranks(data):
    training = train(data, config(epochs=0), 0)
    assert (training.epochs, training.best_epoch, training.seconds_per_epoch) == (0, 0, [])
    assert training.validation["ndcg@20"] > 0


def test_a_batch_may_be_larger_than_the_data(data):
    whole = train(data, config(batch_size=len(data.train)), 0)
    larger = train(data, config(batch_size=10**6), 0)
    assert torch.equal(whole.user_embeddings, larger.user_embeddings)


# Ids


@pytest.mark.parametrize(
    ("users", "items", "told"),
    [
        ([-1], [0], r"user outside 0\.\.1"),
        ([2], [0], r"user outside 0\.\.1"),
        ([0], [-1], "negative item"),
        ([0.5], [0], "whole numbers, got float64"),
        ([0.0], [1.0], "whole numbers, got float64"),
        ([np.nan], [0], "whole numbers, got float64"),
        (["a"], [0], "whole numbers, got <U1"),
        ([None], [0], "whole numbers, got object"),
        ([True], [0], "whole numbers, got bool"),
        ([[0], [1, 1]], [0, 1], "lists of several lengths"),
        ([0, 1], [0], "columns of one length"),
        ([[0]], [[0]], "columns of one length"),
        ([0, 0], [1, 1], "1 .* pairs occur more than once"),
        ([0], [2**31 - 1], "items up to 2147483647; indices end at 2147483646"),
        (np.array([2**63 + 1], np.uint64), [0], "outside"),
    ],
)
def test_pairs_that_are_no_dense_indices_are_refused(users, items, told):
    refused(told, lambda: Positives.from_pairs(users, items, 2))


@pytest.mark.parametrize("n_users", [-1, 2**31, 2.0, "2"])
def test_a_number_of_users_that_cant_be_is_refused(n_users):
    refused("users; give a whole number from 0 to 2147483647", lambda: Positives.from_pairs([], [], n_users))


@pytest.mark.parametrize(
    ("users", "items", "told"),
    [
        (2, -3, "there are -3 items"),
        (2, 2**31, "there are 2147483648 items"),
        (2, 2**31 - 1, "there are 2147483649 users and items"),
        (2.0, 3, r"there are 2\.0 users"),
        (3, 3, "train has 2 users, the data has 3"),
        (2, 1, r"train has an item outside 0\.\.0"),
    ],
)
def test_sizes_that_dont_fit_are_refused(users, items, told):
    refused(told, lambda: CFData(users, items, of([(0, 0), (1, 1)], 2)))


@pytest.mark.parametrize(
    ("train_", "told"),
    [
        (None, "train is NoneType"),
        (Positives(np.array([0, 5]), np.array([1], np.int32)), "indptr must rise"),
        (Positives(np.array([0.0, 1.0]), np.array([1], np.int32)), "indptr must be int64 and items int32"),
        (Positives(np.array([0, 1]), np.array([1.5])), "indptr must be int64 and items int32"),
        (Positives(np.array([0, 2]), np.array([1, 1], np.int32)), "sorted and unique"),
    ],
)
def test_positives_made_by_hand_are_checked(train_, told):
    refused(told, lambda: CFData(1, 3, train_))


def test_a_pair_in_two_splits_is_refused():
    pair = of([(0, 1)], 2)
    for splits in ({"validation": pair}, {"test": pair}):
        refused("1 .* pairs are in train and", lambda splits=splits: CFData(2, 3, pair, **splits))
    refused("validation and test", lambda: CFData(2, 3, of([(0, 0)], 2), pair, pair))


@pytest.mark.parametrize("users", [0, 3])
def test_without_a_training_pair_nothing_is_trained(users):
    for model in ("lightgcn", "ease", "ials"):
        empty = CFData(users, 4, of([], users))
        refused("no training pair", lambda empty=empty, model=model: train(empty, CFConfig(model=model), 0))


# Numbers beyond int32 and int64


def test_indices_up_to_the_last_one_keep_their_value():
    largest = 2**31 - 2
    found = Positives.from_pairs([1, 0, 1], [largest, 5, 0], 2)
    assert found.items.tolist() == [5, 0, largest]
    assert found.items.dtype == np.int32


def test_keys_of_many_users_and_items_dont_overflow():
    """Users times items is far above 2^32 here, and below 2^62 for all sizes that are allowed."""
    users, items = 3_000_000, 2_000_000_000
    found = Positives.from_pairs([0, users - 1, 70_000], [items - 1, items - 2, 66_000], users)
    keys = found.keys(items)
    assert keys.tolist() == [items - 1, 70_000 * items + 66_000, (users - 1) * items + items - 2]
    assert (np.diff(keys) > 0).all()
    assert found.edges([70_000, users - 1, 5], [66_000, items - 2, 5], items).tolist() == [1, 2, -1]


def test_a_pair_beyond_the_catalogue_is_not_taken_for_another():
    """User 0 with item 4 of 4 has the same product key as user 1 with item 0."""
    found = of([(0, 1), (1, 0)], 2)
    assert found.edges([0, 1, 2, 0, -1], [4, -1, 1, 1, 4], 4).tolist() == [-1, -1, -1, 0, -1]


def test_a_catalogue_near_2_to_the_31_is_looked_up_with_int64_places():
    last = 2**31 - 10
    data = CFData(2, last + 1, of([(0, last - 1), (1, 3)], 2))
    observed = Observed(data, "cpu")
    assert observed.tables[0].start.dtype == torch.int64
    asked = torch.tensor([[last - 1, 3, 0], [last - 1, 3, last]])
    assert observed(torch.tensor([0, 1]), asked).tolist() == [[True, False, False], [False, True, False]]
    assert observed.positives(torch.tensor([0, 1]), asked.int()).tolist() == [0, 4]


# Cut-offs and scorers


def test_a_cut_off_above_the_catalogue_ranks_all_and_still_divides_precision_by_itself(data):
    scorer = EmbeddingScores(torch.ones(data.users, 2), torch.ones(data.items, 2))
    means = evaluate(scorer, data, "test", (data.items, 1000, 2**31)).means
    assert means["recall@1000"] == means[f"recall@{2**31}"] == 1
    assert means["precision@1000"] == pytest.approx(2 / 1000)
    assert means["ndcg@1000"] == means[f"ndcg@{data.items}"]


@pytest.mark.parametrize("cutoffs", [(), (0,), (-1,), (1.5,), ("a",), (None,)])
def test_a_cut_off_that_is_no_rank_is_refused(data, cutoffs):
    scorer = EmbeddingScores(torch.ones(data.users, 2), torch.ones(data.items, 2))
    refused("cut-offs must be", lambda: evaluate(scorer, data, "test", cutoffs))
    refused("cut-offs must be", lambda: train(data, config(), 0, cutoffs=cutoffs))


@pytest.mark.parametrize(("users", "items"), [(60, 81), (60, 7), (20, 80)])
def test_a_scorer_of_other_data_is_refused(data, users, items):
    scorer = EmbeddingScores(torch.ones(users, 2), torch.ones(items, 2))
    refused("the scorer has", lambda: evaluate(scorer, data, "test"))


def test_embeddings_of_two_widths_are_refused():
    refused("must be .users, d. and .items, d.", lambda: EmbeddingScores(torch.ones(3, 2), torch.ones(4, 3)))
    refused("must be .users, d. and .items, d.", lambda: EmbeddingScores(torch.ones(3), torch.ones(4)))


@pytest.mark.parametrize("metric", ["ndgc@20", "ndcg@5", "ndcg", "ndcg@020", ""])
def test_a_metric_that_is_not_measured_is_refused_before_training(data, metric):
    refused("isn't measured at cut-offs", lambda: train(data, config(epochs=10**6), 0, metric=metric))


def test_a_misspelt_metric_is_told_its_neighbour(data):
    refused("did you mean 'ndcg@20'", lambda: train(data, config(epochs=10**6), 0, metric="ndgc@20"))


# Not a number


def test_text_that_is_not_finite_or_has_other_rows_is_refused(data):
    text = np.ones((data.items, 3), np.float32)
    text[5, 1] = np.nan
    refused("item_text has a vector that isn't finite", lambda: replace(data, item_text=text))
    refused("user_text has a vector that isn't finite", lambda: replace(data, user_text=text[: data.users]))
    refused(r"must be float32.80, t., got float32.79", lambda: replace(data, item_text=np.ones((79, 3), np.float32)))
    refused(r"must be float32.80, t., got float64", lambda: replace(data, item_text=np.ones((80, 3))))
    refused(r"must be float32.80, t., got float64", lambda: replace(data, item_text=[[1.0]] * 80))


@pytest.mark.parametrize("weight", [np.nan, np.inf, -1.0])
def test_pool_weights_that_are_no_weights_are_refused(data, weight):
    users, items = data.train.pairs()
    free = int(np.setdiff1d(np.arange(data.items), items[users == users[0]])[0])
    pool = NegativePool.from_rows(data.train, users[:1], items[:1], [free], [weight], n_items=data.items)
    refused("weights must be finite and above 0", lambda: replace(data, pool=pool))


@pytest.mark.parametrize(
    ("users", "items", "negatives", "weights", "told"),
    [
        ([0.5], [0], [1], [1], "whole numbers"),
        ([0], [0], [1.5], [1], "whole numbers"),
        ([0, 0], [0], [1], [1], "columns of one length"),
        ([0], [0], [1], [1, 2], "1 negatives and weights .2.; give one each"),
        ([0], [0], [4], [1], r"negative outside 0\.\.3"),
        ([0], [5], [1], [1], "belong to no training pair"),
        ([1], [-4], [1], [1], "belong to no training pair"),
    ],
)
def test_rows_of_a_pool_are_checked(users, items, negatives, weights, told):
    train_ = of([(0, 0), (1, 1)], 2)
    refused(told, lambda: NegativePool.from_rows(train_, users, items, negatives, weights, n_items=4))


def test_rows_of_pair_vectors_are_checked():
    train_, vectors = of([(0, 0), (1, 1)], 2), np.ones((1, 1), np.float32)
    for users, items in (([0], [5]), ([1], [-4]), ([2], [0])):
        refused(
            "belong to no training pair",
            lambda users=users, items=items: PairVectors.from_rows(train_, users, items, [0], vectors, n_items=4),
        )
    refused("whole numbers", lambda: PairVectors.from_rows(train_, [0.0], [0], [0], vectors, n_items=4))


def test_a_teacher_of_other_data_or_without_finite_scores_is_refused(data):
    def teacher(users, items, value=1.0):
        return EmbeddingScores(torch.full((users, 3), value), torch.ones(items, 3))

    refused("the teacher scores 79 items", lambda: replace(data, teacher=teacher(60, 79)))
    refused("the teacher has no scores of user 59", lambda: replace(data, teacher=teacher(59, 80)))
    refused("the teacher can't be used, .*not finite", lambda: replace(data, teacher=teacher(60, 80, torch.nan)))


def test_triples_are_checked(data):
    for triples, told in (
        (np.array([[0, 1, 80]]), "item outside"),
        (np.array([[60, 1, 2]]), "user outside"),
        (np.array([[-1, 1, 2]]), "user outside"),
        (np.array([[0.0, 1, 2]]), "must be int64"),
        (np.array([0, 1, 2]), "must be int64"),
    ):
        refused(told, lambda triples=triples: replace(data, triples=triples))


# States, seeds, devices


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"dim": 9}, r"'table' is \[140, 8\] and this model's \[140, 9\]"),
        ({"model": "mf"}, "trained by cf.model 'lightgcn', this training has 'mf'"),
        ({"layers": 3}, "trained by cf.layers 2, this training has 3"),
        ({"sampler": "srns"}, "trained by cf.sampler 'rns', this training has 'srns'"),
        ({"loss": "hinge"}, "trained by cf.loss 'bpr', this training has 'hinge'"),
        ({"optimiser": "adagrad"}, "trained by cf.optimiser 'adam', this training has 'adagrad'"),
    ],
)
def test_a_state_of_another_training_is_refused(data, settings, told):
    state = Trainer(data, config(), 0).state_dict()
    refused(told, lambda: Trainer(data, config(**settings), 0).load_state_dict(state))


def test_a_state_of_other_data_is_refused(data, make_planted):
    state = Trainer(make_planted(users=61), config(), 0).state_dict()
    refused(r"'table' is \[141, 8\]", lambda: Trainer(data, config(), 0).load_state_dict(state))


@pytest.mark.parametrize("state", [{}, {"model": 3}, {"epoch": 1, "model": {}}])
def test_what_is_no_state_is_refused(data, state):
    refused("the saved state lacks", lambda: Trainer(data, config(), 0).load_state_dict(state))


def test_a_state_of_a_solved_model_is_refused_by_another(data):
    ease, ials, mf = (open_training(data, CFConfig(model=name, epochs=1), 0) for name in ("ease", "ials", "mf"))
    for trainer in (ease, ials, mf):
        trainer.run_epoch()
    refused("saved", lambda: ease.load_state_dict(ials.state_dict()))
    refused("saved", lambda: ials.load_state_dict(mf.state_dict()))
    refused("saved", lambda: mf.load_state_dict(ease.state_dict()))


def test_a_state_that_is_not_finite_diverges_in_the_next_epoch(data):
    first = Trainer(data, config(), 0)
    first.run_epoch()
    state = first.state_dict()
    state["model"] = {"table": torch.full_like(state["model"]["table"], torch.nan)}
    resumed = Trainer(data, config(), 0)
    resumed.load_state_dict(state)
    refused("loss of epoch 2 is nan", resumed.run_epoch, DivergedError)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None])
@pytest.mark.parametrize("model", ["mf", "ials"])
def test_a_seed_is_a_whole_number_from_0_on(data, seed, model):
    refused("seed .* must be a whole number from 0 on", lambda: train(data, CFConfig(model=model), seed))


@pytest.mark.parametrize("device", ["cuda:64", "gpu", "cuda:x", "mps", ""])
@pytest.mark.parametrize("model", ["mf", "ease"])
def test_a_device_that_is_not_there_is_refused(data, device, model):
    refused("device .* use cpu", lambda: train(data, CFConfig(model=model), 0, device=device))


@pytest.mark.parametrize(("sampler", "told"), [("pool", "needs a pool"), ("vectors", "needs a vector")])
def test_what_a_sampler_needs_must_be_there(data, sampler, told):
    refused(told, lambda: Trainer(data, config(sampler=sampler), 0))
