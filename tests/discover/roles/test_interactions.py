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
    assert roles(price=numbers(1, 10)).rating is None
    assert roles(price=numbers(1, 10), wanted={"rating": "price"}).scale.min_rating == 7
    with pytest.raises(InputError, match="no scale of ratings"):
        roles(price=numbers(0, 9999), wanted={"rating": "price"})


@pytest.mark.parametrize("name", ["clicked", "is_click", "label", "purchased", "bought", "converted", "liked"])
def test_zeros_and_ones_of_what_is_named_approval_are_ratings(name):
    found = roles(**{name: [DRAW.randrange(2) for _ in range(ROWS)]})
    assert (found.rating, found.scale.min_rating) == (name, 1)


def test_other_zeros_and_ones_are_none():
    assert roles(weekend=[DRAW.randrange(2) for _ in range(ROWS)]).rating is None


def asked_of(choice=0, **columns):
    """Return the roles, and the questions, each answered with a choice."""
    questions = []

    def ask(question):
        questions.append(question)
        return choice

    return roles(ask=ask, **columns), questions


@pytest.mark.parametrize("name", ["dislike", "not_interested", "thumbs_down", "is_return", "storniert", "remboursé"])
def test_rows_of_a_rejection_are_no_positives_or_are_asked_about(name):
    flags = [DRAW.choice(["0", "1"]) for _ in range(ROWS)]
    found, (question,) = asked_of(**{name: flags})
    assert name in question.text
    assert (found.rating, dict(found.scale.values), found.scale.min_rating) == (name, {"0": 1.0, "1": 0.0}, 1.0)
    assert asked_of(1, **{name: flags})[0].rating is None


@pytest.mark.parametrize("name", ["verified_purchase", "is_gift", "newsletter", "mobile", "spoiler"])
def test_yes_and_no_of_other_things_is_no_rating(name):
    assert asked_of(**{name: [DRAW.choice(["true", "false"]) for _ in range(ROWS)]})[0].rating is None


@pytest.mark.parametrize(("odd", "top", "least"), [(11, 10, 7), (7, 5, 4), (6, 5, 4), (10, 5, 4), (77, 5, 4)])
def test_a_rare_number_above_a_usual_top_is_asked_about_and_sets_no_threshold(odd, top, least):
    ratings = [odd if at % 40 == 0 else at % top + 1 for at in range(ROWS)]
    found, (question,) = asked_of(rating=ratings)
    assert f"{odd} stands in" in question.text
    assert (found.scale.high, found.scale.min_rating, [*found.scale.outside]) == (top, least, [odd])


@pytest.mark.parametrize(("low", "high"), [(4, 12), (2, 14), (10, 50)])
def test_no_threshold_leaves_only_the_top_of_an_unusual_scale(low, high):
    scale = roles(rating=[low + at % (high - low + 1) for at in range(ROWS)]).scale
    assert low < scale.min_rating < high


@pytest.mark.parametrize(
    ("grades", "best"), [(["1", "1", "2", "3", "5"], 5.0), (["1,0", "1,3", "2,7", "4,0", "6,0"], 6.0)]
)
def test_german_grades_are_asked_about_where_most_are_low(grades, best):
    found, (question,) = asked_of(Note=[grades[at % len(grades)] for at in range(ROWS)])
    assert question.choices[0] == "1 is the best"
    assert found.scale.values[grades[0]] == best


def test_quantities_with_a_comma_and_sums_of_money_tell_returns():
    for name in ("Menge", "Umsatz"):
        amounts = ["-1,000" if at % 11 == 0 else f"{at % 4 + 1},500" for at in range(ROWS)]
        found, (question,) = asked_of(**{name: amounts})
        assert found.quantity == name
        assert "negative" in question.text
