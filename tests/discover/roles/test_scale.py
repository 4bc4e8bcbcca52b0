import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.discover.files.columns import Column
from hnlm_ray.discover.roles.scale import scale_of


def scale(texts):
    return scale_of(Column("rating", pa.array(texts, pa.string())))


@pytest.mark.parametrize(
    ("low", "high", "step", "least"),
    [(1, 5, 1, 4), (0.5, 5, 0.5, 4), (1, 10, 1, 7), (0, 5, 1, 4), (0, 1, 1, 1), (-1, 1, 2, 0.4), (0, 20, 1, 14)],
)  # fmt: skip
def test_a_scale_has_its_usual_threshold(low, high, step, least):
    texts = [f"{low + step * at:g}" for at in range(round((high - low) / step) + 1)]
    found = scale(texts * 3)
    assert (found.low, found.high, found.min_rating) == (low, high, pytest.approx(least))
    assert not found.values


def test_a_scale_that_nobody_used_to_its_top_is_still_one_of_five():
    assert scale(["1", "2", "3", "4", "4.5"]).min_rating == 4


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["fresh", "rotten"], {"fresh": 1.0, "rotten": 0.0}),
        (["Like", "Dislike", "neutral"], {"Like": 1.0, "Dislike": 0.0, "neutral": 0.5}),
        (["true", "false"], {"true": 1.0, "false": 0.0}),
        (["yes ", "no  ", "yes", " no"], {"yes": 1.0, "no": 0.0}),
        (["4/5", "2/5"], {"4/5": 4.0, "2/5": 2.0}),
        (["★★★★☆", "★☆☆☆☆"], {"★★★★☆": 4.0, "★☆☆☆☆": 1.0}),
        (["5 stars", "1 star"], {"5 stars": 5.0, "1 star": 1.0}),
    ],
)
def test_words_and_dressed_numbers_get_their_number(words, values):
    assert dict(scale(words * 4).values) == values


@pytest.mark.parametrize(
    "texts", [["3/5", "B+", "80/100"], ["view", "buy", "cart"], ["fresh"], ["red", "blue"], [None]]
)
def test_other_words_are_no_scale(texts):
    assert scale(texts) is None


@given(st.lists(st.integers(0, 10**6), min_size=150, max_size=200, unique=True))
def test_counts_are_no_scale(numbers):
    assert scale([str(number) for number in numbers]) is None
