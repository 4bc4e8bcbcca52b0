"""The semantic teacher and late fusion as a training."""

import copy
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, Judgements, Positives, evaluate, open_training, train
from hnlm_ray.cf.closed_form.ease import history_matrix
from hnlm_ray.cf.kernels.gram import add_text_kernel, item_gram, solve_ease
from hnlm_ray.cf.kernels.neighbours import centred, unit_rows
from hnlm_ray.cf.kernels.spectral import spectral_scores
from hnlm_ray.cf.teacher.fusion import choose_fusion
from hnlm_ray.cf.teacher.semantic import open_teacher, teacher_of
from hnlm_ray.config import CFConfig
from hnlm_ray.config.cf_parts import TeacherConfig

USERS, ITEMS = 60, 40
NO_TEXT = {"kernel": 0, "profile": 0, "votes": 0, "cold": 0}


def planted(seed=0, strength=3.0, users=USERS, items=ITEMS):
    """Return data whose users like items near their own taste; the items' text is that taste space, with noise."""
    draw = np.random.default_rng(seed)
    taste, kind = draw.normal(size=(users, 6)), draw.normal(size=(items, 6))
    liking = strength * taste @ kind.T / np.sqrt(6) + draw.gumbel(size=(users, items))
    best = np.argsort(-liking, axis=1)[:, :12]
    parts = {}
    for name, columns in (("train", slice(0, 12, 2)), ("validation", slice(1, 12, 4)), ("test", slice(3, 12, 4))):
        chosen = best[:, columns]
        parts[name] = Positives.from_pairs(np.repeat(np.arange(users), chosen.shape[1]), chosen.ravel(), users)
    text = np.hstack([kind, draw.normal(size=(items, 6)) * 0.3]).astype(np.float32)
    return CFData(users=users, items=items, item_text=text, **parts)


def z(scores):
    return (scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True)


def test_its_scores_are_the_terms_written_out():
    data = planted()
    config = TeacherConfig(reg=5, kernel=0.3, profile=0.2, votes=0.4, cold=1.5)
    scores = open_teacher(data, config).scores(torch.arange(USERS)).numpy()
    x = history_matrix(data.train, ITEMS).toarray()
    gram = item_gram(history_matrix(data.train, ITEMS), normalise=True)
    add_text_kernel(gram, data.item_text, 0.3)
    text = unit_rows(centred(data.item_text))
    cosines = text @ text.T
    taste = unit_rows((x @ centred(data.item_text)).astype(np.float32)) @ text.T
    near = cosines - np.diag(np.diag(cosines))
    wanted = z(x @ solve_ease(gram, 5)[0]) + 0.4 * z(x @ near)
    wanted += z(taste) * (0.2 + 1.5 / (1 + data.train.popularity(ITEMS) / 5))
    np.testing.assert_allclose(scores, wanted, atol=2e-4)


def test_without_text_weights_it_reads_no_text():
    data = planted()
    config = TeacherConfig(**NO_TEXT)
    everyone = torch.arange(USERS)
    alone = open_teacher(replace(data, item_text=None), config).scores(everyone)
    assert torch.equal(open_teacher(data, config).scores(everyone), alone)
    with pytest.raises(InputError, match=r"cf\.teacher weighs the items' text and the data has none"):
        open_teacher(replace(data, item_text=None), TeacherConfig())


def test_held_out_rows_shape_nothing():
    data = planted()
    other = replace(data, validation=data.test, test=data.validation)
    everyone = torch.arange(USERS)
    same = [open_teacher(each, TeacherConfig()).scores(everyone) for each in (data, other)]
    assert torch.equal(*same)


def told(data, seed=3):
    """Return the data with what an LLM says: a text of each user but the first three, and verdicts."""
    draw = np.random.default_rng(seed)
    text = draw.normal(size=(USERS, data.item_text.shape[1])).astype(np.float32)
    text[:3] = 0
    users, items = np.repeat(np.arange(USERS), ITEMS), np.tile(np.arange(ITEMS), USERS)
    free = data.train.edges(users, items, ITEMS) < 0
    judged = draw.permutation(np.flatnonzero(free))[:200]
    verdicts = Judgements.from_pairs(users[judged], items[judged], draw.choice([1, -1], 200), USERS)
    return replace(data, user_text=text, judgements=verdicts)


def test_a_users_own_text_is_a_term_beside_that_of_its_items():
    data = told(planted())
    config = TeacherConfig(profile=0.2, llm_profile=0.3)
    everyone = torch.arange(USERS)
    without = open_teacher(data, TeacherConfig(profile=0.2)).scores(everyone)
    assert torch.equal(
        without, open_teacher(replace(data, user_text=None), TeacherConfig(profile=0.2)).scores(everyone)
    )
    own = unit_rows(centred(data.user_text)) @ unit_rows(centred(data.item_text)).T
    own = np.nan_to_num(z(own[3:]))
    found = (open_teacher(data, config).scores(everyone) - without).numpy()
    np.testing.assert_allclose(found[3:], 0.3 * own, atol=2e-4)
    assert not found[:3].any()  # a user without a text keeps what its items say


def test_without_weights_what_an_llm_says_changes_no_bit():
    plain = planted()
    data, everyone = told(plain), torch.arange(USERS)
    assert torch.equal(*(open_teacher(each, TeacherConfig()).scores(everyone) for each in (plain, data)))
    assert not torch.equal(*(open_teacher(data, TeacherConfig(verdict=w)).scores(everyone) for w in (0, 0.3)))
    config = CFConfig(**SOFTMAX, fusion="validation")
    fusion, with_llm = (train(each, config, 0) for each in (plain, data))
    assert (fusion.validation, fusion.fusion_weight) == (with_llm.validation, with_llm.fusion_weight)
    assert torch.equal(fusion.scorer.scores(everyone), with_llm.scorer.scores(everyone))
    added = train(data, CFConfig(**SOFTMAX, fusion=1.0, teacher=TeacherConfig(llm_profile=0.4)), 0)
    assert not torch.equal(added.scorer.scores(everyone), fusion.scorer.scores(everyone))


def test_a_weight_of_the_users_own_texts_needs_them():
    config = TeacherConfig(**NO_TEXT, llm_profile=0.1)
    with pytest.raises(InputError, match=r"cf\.teacher\.llm_profile weighs the users' own texts and the data has none"):
        open_teacher(planted(), config)
    with pytest.raises(InputError, match="weighs the items' text and the data has none"):
        open_teacher(replace(planted(), item_text=None), config)
    with pytest.raises(InputError, match="user_text has vectors of length 2 and item_text of 12"):
        open_teacher(replace(planted(), user_text=np.ones((USERS, 2), np.float32)), config)


def test_a_given_teacher_comes_first():
    data = planted()
    given = open_teacher(data, TeacherConfig(**NO_TEXT))
    assert teacher_of(replace(data, teacher=given), CFConfig()) is given


def test_a_large_catalogue_is_scored_by_singular_vectors(monkeypatch, caplog):
    data = planted()
    monkeypatch.setattr("hnlm_ray.cf.teacher.semantic.MOST_ITEMS", ITEMS - 1)
    scores = open_teacher(data, TeacherConfig()).scores(torch.arange(USERS))
    assert scores.shape == (USERS, ITEMS)
    assert "has no text kernel" in caplog.text


def test_all_singular_vectors_give_the_matrix_itself():
    """U S V^T V V^T is the matrix, and the roots of the counts cancel but for the users'."""
    history = history_matrix(planted().train, ITEMS)
    scores = spectral_scores(history, rank=ITEMS - 1).scores(torch.arange(USERS)).numpy()
    assert np.abs(scores - history.toarray()).max() < 0.6
    assert evaluate_history(scores, history) > 0.9


def evaluate_history(scores, history):
    x = history.toarray() > 0
    best = np.argsort(-scores, axis=1)[:, :6]
    return np.take_along_axis(x, best, 1).mean()


SOFTMAX = {"model": "mf", "loss": "softmax", "lr": 0.02, "epochs": 6, "dim": 8}


def test_a_fused_training_chooses_its_weight_on_validation_and_keeps_it():
    data, config = planted(), CFConfig(**SOFTMAX, fusion="validation")
    done = train(data, config, 0)
    chosen = choose_fusion(done.trainer.scorer(), teacher_of(data, config), data)
    assert done.fusion_weight == chosen.weight
    assert done.validation == pytest.approx(dict(chosen.validation))
    assert evaluate(done.scorer, data).means == done.validation


def test_the_fusion_leaves_the_training_alone():
    plain, fused = (open_training(planted(), CFConfig(**SOFTMAX, fusion=fusion), 0) for fusion in ("none", 0.7))
    for _ in range(3):
        assert plain.run_epoch().loss == fused.run_epoch().loss
        fused.evaluate()
    assert fused.weights()["fusion"] == 0.7
    for name, tensor in plain.weights()["model"].items():
        assert torch.equal(tensor, fused.weights()["model"][name])


class Kept:
    """Checkpoints that die after an epoch, as a killed process does."""

    def __init__(self, epochs, state=None):
        self.epochs, self.state = epochs, state

    def load(self):
        return self.state

    def save(self, state, *, last):
        self.state, self.epochs = copy.deepcopy(state()), self.epochs - 1
        if not self.epochs:
            raise KeyboardInterrupt


def test_a_fused_training_that_was_killed_ends_with_the_best_epoch_s_weight():
    data, config = planted(), CFConfig(**{**SOFTMAX, "lr": 0.3, "epochs": 12}, patience=12, fusion="validation")
    whole = train(data, config, 0)
    assert whole.best_epoch < 12
    killed = Kept(whole.best_epoch + 1)
    with pytest.raises(KeyboardInterrupt):
        train(data, config, 0, checkpoints=killed)
    resumed = train(data, config, 0, checkpoints=Kept(-1, killed.state))
    assert (resumed.best_epoch, resumed.fusion_weight) == (whole.best_epoch, whole.fusion_weight)
    assert resumed.validation == whole.validation
    everyone = torch.arange(USERS)
    assert torch.equal(resumed.scorer.scores(everyone), whole.scorer.scores(everyone))


def test_one_teacher_is_kept_and_goes_before_the_next():
    data, config = planted(), CFConfig()
    first = teacher_of(data, config)
    assert teacher_of(data, config) is first
    gone = weakref.ref(first)
    del first
    other = CFConfig(teacher={"reg": 7})
    assert teacher_of(data, other) is teacher_of(data, other)
    assert gone() is None


def test_a_kernel_that_cannot_be_inverted_names_the_teacher_s_settings():
    data = planted()
    text = np.float32([[np.cos(turn), np.sin(turn)] for turn in np.arange(ITEMS) * 0.7])
    with pytest.raises(InputError, match=r"with cf\.teacher\.reg 0\.001 and cf\.teacher\.kernel 1000; raise"):
        open_teacher(replace(data, item_text=text), TeacherConfig(reg=1e-3, kernel=1e3))


def test_texts_that_are_alike_but_for_rounding_say_nothing():
    data, everyone = planted(), torch.arange(USERS)
    noise = np.random.default_rng(0).normal(size=data.item_text.shape) * 1e-8
    alike = open_teacher(replace(data, item_text=(0.1 + noise).astype(np.float32)), TeacherConfig()).scores(everyone)
    assert torch.equal(alike, open_teacher(data, TeacherConfig(**NO_TEXT)).scores(everyone))


@pytest.mark.parametrize("rows", [np.ones((1, 5)), np.ones((5, 1)), np.zeros((3, 4))])
def test_without_a_second_user_item_or_any_pair_singular_vectors_score_nothing(rows):
    scores = spectral_scores(sparse.csr_matrix(rows.astype(np.float32))).scores(torch.arange(len(rows)))
    assert scores.shape == rows.shape
    assert not scores.any()


def test_a_fused_training_resumes_bit_for_bit():
    data, config = planted(), CFConfig(**SOFTMAX, fusion="validation")
    whole, first = open_training(data, config, 0), open_training(data, config, 0)
    for step in range(4):
        whole.run_epoch()
        whole.evaluate()
        if step < 2:
            first.run_epoch()
            first.evaluate()
    resumed = open_training(data, config, 0)
    resumed.load_state_dict(first.state_dict())
    for _ in range(2):
        resumed.run_epoch()
        resumed.evaluate()
    assert resumed.weight == whole.weight
    assert torch.equal(resumed.scorer().scores(torch.arange(USERS)), whole.scorer().scores(torch.arange(USERS)))


def test_a_weight_by_validation_needs_validation():
    with pytest.raises(InputError, match=r"cf\.fusion chooses its weight on validation and there is none"):
        open_training(replace(planted(), validation=None), CFConfig(**SOFTMAX, fusion="validation"), 0)


def test_text_gains_and_shuffled_text_does_not():
    """On planted tastes: the gain over a teacher by behaviour alone comes from the text's meaning."""
    gains = []
    for seed in range(3):
        data = planted(seed, users=150, items=80)
        mixed = np.random.default_rng(seed).permutation(data.items)
        texts = (data.item_text, data.item_text[mixed])
        own, shuffled = (
            evaluate(open_teacher(replace(data, item_text=text), TeacherConfig()), data, "test").means["ndcg@20"]
            for text in texts
        )
        alone = evaluate(open_teacher(data, TeacherConfig(**NO_TEXT)), data, "test").means["ndcg@20"]
        gains.append((own - alone, own - shuffled))
    assert np.mean(gains, axis=0).min() > 0.03
