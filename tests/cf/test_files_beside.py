import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.files import load_folder

HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000), }\n"
HUGE = b"\x93NUMPY\x01\x00" + len(HEADER).to_bytes(2, "little") + HEADER


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.txt").write_text("0 0 1\n1 2\n")
    return tmp_path


def loaded(folder):
    return load_folder(folder, "ngcf").data


def test_text_vectors_are_read_in_single_precision(folder):
    item = np.arange(6, dtype=np.float16).reshape(3, 2)
    user = np.ones((2, 2), np.float32)
    np.save(folder / "item_text.npy", item)
    np.save(folder / "user_text.npy", user)
    data = loaded(folder)
    assert data.item_text.dtype == data.user_text.dtype == np.float32
    np.testing.assert_array_equal(data.item_text, item)
    np.testing.assert_array_equal(data.user_text, user)


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.ones((2, 4), np.float32), "has 2 rows and the data 3 items"),
        (np.full((3, 4), np.nan, np.float32), "isn't finite"),
        (np.ones((3, 4), np.int64), "one float array of two dimensions"),
        (np.ones(3, np.float32), "one float array of two dimensions"),
        (np.array([{}, [], 1], object), "can't be read as a NumPy array"),
    ],
)
def test_text_that_can_not_be_used_is_told(folder, array, told):
    np.save(folder / "item_text.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=told) as error:
        loaded(folder)
    assert "item_text.npy" in str(error.value)


@pytest.mark.parametrize("raw", [b"", b"\x93NUMPY", b"no array", b"\x93NUMPY\x01\x00\x04\x00{[(\n", HUGE])
@pytest.mark.parametrize("name", ["item_text", "teacher_scores"])
def test_damaged_arrays_are_told(folder, name, raw):
    (folder / f"{name}.npy").write_bytes(raw)
    with pytest.raises(InputError, match=rf"{name}\.npy can't be read as a NumPy array"):
        loaded(folder)


def test_a_teacher_reads_the_rows_that_are_asked_for(folder):
    scores = np.random.default_rng(0).random((2, 3)).astype(np.float16)
    np.save(folder / "teacher_scores.npy", scores)
    teacher = loaded(folder).teacher
    assert isinstance(teacher.matrix, np.memmap)
    assert teacher.items == 3
    found = teacher.scores(torch.tensor([1, 1, 0]))
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), scores[[1, 1, 0]].astype(np.float32))


def test_a_teacher_that_does_not_fit_or_is_not_finite_is_told(folder):
    np.save(folder / "teacher_scores.npy", np.ones((3, 3)))
    with pytest.raises(InputError, match="2 users and 3 items"):
        loaded(folder)
    np.save(folder / "teacher_scores.npy", np.full((2, 3), np.inf))
    with pytest.raises(InputError, match="isn't finite"):
        loaded(folder).teacher.scores(torch.tensor([0]))


def test_triples_are_lines_of_indices(folder):
    (folder / "triples.txt").write_text("0 2 1\n\n1 0 1\n")
    assert loaded(folder).triples.tolist() == [[0, 2, 1], [1, 0, 1]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0 2 1\n1 0\n", "line 2: write three numbers a line"),
        ("0 2 1 1\n", "line 1: write three numbers a line"),
        ("0 2 a\n", "line 1: 'a' is no whole number"),
        ("0 2 3\n", "names a user or an item that has no interaction"),
        ("2 2 1\n", "names a user or an item that has no interaction"),
    ],
)
def test_triples_that_can_not_be_used_are_told(folder, text, told):
    (folder / "triples.txt").write_text(text)
    with pytest.raises(InputError, match=told) as error:
        loaded(folder)
    assert "triples.txt" in str(error.value)


def test_triples_are_given_once(folder):
    for name in ("triples.txt", "triples.parquet"):
        (folder / name).write_text("0 2 1\n")
    with pytest.raises(InputError, match="keep one of them"):
        loaded(folder)
