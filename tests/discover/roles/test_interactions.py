import pytest
from interaction_tables import DRAW, ROWS, roles

from hnlm_ray.base.errors import InputError


def numbers(low, high, digits=2):
    return [round(DRAW.uniform(low, high), digits) for _ in range(ROWS)]


@pytest.mark.parametrize(("low", "high", "least"), [(1, 10, 7), (-10, 10, 4), (0, 1, 0.7), (0, 100, 70)])
def test_a_rating_of_any_number_of_steps_is_known_by_its_name(low, high, least):
    found = roles(rating=numbers(low, high, 3))
    assert found.rating == "rating"
    assert found.scale.min_rating == pytest.approx(least, abs=0.05)


def test_numbers_of_any_name_are_ratings_when_the_user_says_so():
    assert roles(thing=numbers(1, 10)).rating is None
    assert roles(thing=numbers(1, 10), wanted={"rating": "thing"}).scale.min_rating == 7
    with pytest.raises(InputError, match="no scale of ratings"):
        roles(thing=numbers(0, 9999), wanted={"rating": "thing"})


@pytest.mark.parametrize("name", ["clicked", "is_click", "label", "purchased", "bought", "converted", "liked"])
def test_zeros_and_ones_of_what_is_named_approval_are_ratings(name):
    found = roles(**{name: [DRAW.randrange(2) for _ in range(ROWS)]})
    assert (found.rating, found.scale.min_rating) == (name, 1)


def test_other_zeros_and_ones_are_none():
    assert roles(weekend=[DRAW.randrange(2) for _ in range(ROWS)]).rating is None
