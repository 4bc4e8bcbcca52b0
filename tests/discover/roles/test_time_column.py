import pytest
from interaction_tables import DRAW, ITEMS, ROWS, USERS, roles

from hnlm_ray.base.errors import InputError

DAYS = [f"2020-{DRAW.randrange(1, 13):02}-{DRAW.randrange(1, 29):02}" for _ in range(ROWS)]


@pytest.mark.parametrize(("name", "side"), [("release_date", ITEMS), ("signup_date", USERS)])
def test_a_date_of_the_user_or_the_item_comes_after_the_time_of_the_interaction(name, side):
    of_side = [f"2015-01-{n % 28 + 1:02}" for n in side]
    assert roles(**{name: of_side, "watch_date": DAYS}).timestamp == "watch_date"
    assert roles(**{name: of_side, "zz": DAYS}).timestamp == "zz"
    assert roles(**{name: of_side}).timestamp is None


def test_ids_and_row_numbers_are_no_times_though_their_numbers_would_do():
    drawn = [DRAW.randrange(9 * 10**8, 19 * 10**8) for _ in range(ROWS)]
    assert roles(review_id=drawn).timestamp is None
    assert roles(column_7=range(10**9, 10**9 + ROWS)).timestamp is None
    assert roles(phone=[10**9 + 7919 * n for n in USERS]).timestamp is None
    assert roles(column_7=drawn).timestamp == "column_7"
    assert roles(ts=drawn).timestamp == "ts"


def test_a_given_format_tells_the_column():
    odd = [f"{day[8:]}~{day[5:7]}~2019" for day in DAYS]
    found = roles(opened=DAYS, noted=odd, wanted={"time_format": "%d~%m~%Y"})
    assert (found.timestamp, found.times.time_format) == ("noted", "%d~%m~%Y")


@pytest.mark.parametrize("given", ["%d~%m~%Y", "%Q", "%"])
def test_a_format_that_reads_no_column_is_an_error(given):
    with pytest.raises(InputError, match="name the column with --time"):
        roles(opened=DAYS, wanted={"time_format": given})
