"""Scores and vectors as files: what is written is what ranks, and comes back as a teacher."""

import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import DivergedError, EmbeddingScores, train
from hnlm_ray.cf.files import export_index, load_folder, save_scores
from hnlm_ray.config import CFConfig


@pytest.fixture
def scorer():
    rng = np.random.default_rng(0)
    return EmbeddingScores(*(torch.from_numpy(rng.standard_normal((n, 5), np.float32)) for n in (600, 40)))


def test_scores_are_written_as_they_rank_in_several_blocks(scorer, tmp_path):
    save_scores(scorer, 600, tmp_path / "scores.npy")
    found = np.load(tmp_path / "scores.npy", mmap_mode="r")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, scorer.scores(torch.arange(600)).numpy())


def test_what_was_written_is_a_teacher_beside_interactions(tmp_path):
    (tmp_path / "train.txt").write_text("0 0 1\n1 2\n2 1 2\n")
    data = load_folder(tmp_path, "ngcf").data
    ease = train(data, CFConfig(model="ease"), 0).scorer
    save_scores(ease, data.users, tmp_path / "teacher_scores.npy")
    teacher = load_folder(tmp_path, "ngcf").data.teacher
    users = torch.tensor([2, 0])
    assert torch.equal(teacher.scores(users), ease.scores(users))


def test_scores_that_are_not_finite_are_not_written(scorer, tmp_path):
    scorer.item_embeddings[3] = torch.nan
    with pytest.raises(DivergedError):
        save_scores(scorer, 600, tmp_path / "scores.npy")
    assert not (tmp_path / "scores.npy").exists()


@pytest.mark.parametrize("description", ["Flat", "HNSW16"])
def test_an_index_finds_the_highest_dot_products(scorer, tmp_path, description):
    faiss = pytest.importorskip("faiss", reason="faiss is an optional package")
    export_index(scorer, tmp_path / "items.faiss", description)
    _, found = faiss.read_index(str(tmp_path / "items.faiss")).search(scorer.user_embeddings.numpy(), 1)
    best = scorer.scores(torch.arange(600)).argmax(1).numpy()
    assert (found[:, 0] == best).mean() > (0.999 if description == "Flat" else 0.8)


def test_an_index_that_faiss_does_not_know_is_refused(scorer, tmp_path):
    pytest.importorskip("faiss", reason="faiss is an optional package")
    with pytest.raises(InputError, match="can't make an index 'Nope'"):
        export_index(scorer, tmp_path / "items.faiss", "Nope")


def test_without_faiss_the_error_says_what_to_install(scorer, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(InputError, match="pip install faiss-cpu"):
        export_index(scorer, tmp_path / "items.faiss")


def test_a_model_without_vectors_has_no_index(data, tmp_path):
    with pytest.raises(InputError, match="this model has none"):
        export_index(train(data, CFConfig(model="ease"), 0).scorer, tmp_path / "items.faiss")
