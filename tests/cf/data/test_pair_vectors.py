from dataclasses import replace

import numpy as np
import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, PairVectors, Positives, with_validation_in_train

TRAIN = Positives.from_pairs([0, 0, 1, 2], [1, 4, 2, 0], 3)  # edges 0..3
UNIT = np.eye(3, dtype=np.float32)


def rows(users, items, row, vectors=UNIT, **more):
    return PairVectors.from_rows(TRAIN, users, items, row, vectors, n_items=5, **more)


def test_rows_are_aligned_to_the_edges_whatever_their_order():
    vectors = rows([2, 0, 1], [0, 4, 2], [0, 2, 1])
    assert vectors.row.tolist() == [-1, 2, 1, 0]
    assert vectors.row.dtype == np.int32
    assert vectors.coverage == 0.75
    assert vectors.covered.tolist() == [1, 2, 3]


def test_no_pair_at_all_has_coverage_0():
    assert PairVectors(UNIT, np.empty(0, np.int32)).coverage == 0.0
    assert PairVectors(np.empty((0, 3), np.float16), np.full(4, -1, np.int32)).coverage == 0.0


@pytest.mark.parametrize(
    ("users", "items", "row", "message"),
    [
        ([1, 1], [2, 3], [0, 1], "1 vectors belong to no training pair"),
        ([1, 1], [2, 2], [0, 1], "1 pairs have more than one vector"),
        ([1], [2], [3], r"outside -1\.\.2"),
    ],
)
def test_rows_that_dont_fit_are_refused(users, items, row, message):
    with pytest.raises(InputError, match=message):
        rows(users, items, row)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (UNIT[0], r"float32\[3\]"),
        (UNIT.astype(np.float64), "float64"),
        (np.where(UNIT == 1, np.nan, UNIT), "3 pair vectors aren't finite"),
        (UNIT * np.float32([[1], [1.02], [0]]), "2 pair vectors aren't of unit length"),
    ],
)
def test_vectors_must_be_finite_and_of_unit_length(vectors, message):
    with pytest.raises(InputError, match=message):
        rows([1], [2], [0], vectors)


def test_float16_rounding_is_unit_length():
    wide = np.random.default_rng(0).standard_normal((50, 512))
    rounded = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float16)
    assert rows([1], [2], [49], rounded).vectors.dtype == np.float16


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"anchors": np.ones((5, 2), np.float32)}, "anchors have shape"),
        ({"anchors": np.zeros((5, 3), np.float32)}, "zero or not finite"),
        ({"anchors": np.ones((5, 3), np.float32), "anchored": np.ones(4, bool)}, "anchored has shape"),
        ({"anchored": np.ones(5, bool)}, "there are none"),
    ],
)
def test_anchors_are_checked(more, message):
    with pytest.raises(InputError, match=message):
        rows([1], [2], [0], **more)


def test_rows_without_anchor_are_never_read():
    anchors = np.ones((5, 3), np.float32)
    anchors[3] = np.nan
    anchored = np.arange(5) != 3
    assert rows([1], [2], [0], anchors=anchors, anchored=anchored).anchored_items(5).sum() == 4
    with pytest.raises(InputError, match="zero or not finite"):
        rows([1], [2], [0], anchors=anchors)


def test_the_data_checks_vectors_and_text():
    vectors = rows([1], [2], [0])
    with pytest.raises(InputError, match="aligned to 3 pairs, train has 4"):
        CFData(3, 5, TRAIN, vectors=replace(vectors, row=vectors.row[:3]))
    with pytest.raises(InputError, match="4 anchors and 5 items"):
        CFData(3, 5, TRAIN, vectors=replace(vectors, anchors=np.ones((4, 3), np.float32)))
    for text in (np.ones((4, 2), np.float32), np.ones((5, 2)), np.ones(5, np.float32)):
        with pytest.raises(InputError, match=r"item_text must be float32\[5, t\]"):
            CFData(3, 5, TRAIN, item_text=text)
    with pytest.raises(InputError, match="isn't finite"):
        CFData(3, 5, TRAIN, item_text=np.full((5, 2), np.inf, np.float32))


def test_validation_joins_train_and_vectors_follow_their_pairs():
    vectors = rows([2, 0, 1], [0, 4, 2], [0, 2, 1])
    data = CFData(3, 5, TRAIN, Positives.from_pairs([0, 2], [0, 3], 3), vectors=vectors)
    joined = with_validation_in_train(data)
    # (0, 0) new, (0, 1), (0, 4), (1, 2), (2, 0), (2, 3) new
    assert joined.vectors.row.tolist() == [-1, -1, 2, 1, 0, -1]
    assert joined.vectors.vectors is vectors.vectors
