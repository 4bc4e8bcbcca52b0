import random

import pyarrow as pa
import pytest

from hnlm_ray.discover.files.columns import Column
from hnlm_ray.discover.files.inputs import Place
from hnlm_ray.discover.files.sample import Table
from hnlm_ray.discover.roles.items import described_by, item_roles

DRAW = random.Random(3)
PLACE = Place("r.csv")
ITEMS = [DRAW.randrange(200) for _ in range(2400)]


def described(values, items=ITEMS):
    """Say whether a column of the interactions describes the items."""
    columns = {"user": [str(DRAW.randrange(300)) for _ in items], "item": [f"i{item}" for item in items], "c": values}
    named = tuple(Column(name, pa.array(column, pa.string())) for name, column in columns.items())
    return described_by(Table(PLACE, {}, named, complete=True), "item", ("user", "item")) == ["c"]


@pytest.mark.parametrize("share", [0.06, 0.2, 0.5])
@pytest.mark.parametrize("blank", [None, "none"])
def test_what_some_users_wrote_describes_no_item(share, blank):
    assert not described([DRAW.choice(["too small", "broken"]) if DRAW.random() < share else blank for _ in ITEMS])
    assert not described([f"reply {n}" if DRAW.random() < share else blank for n in range(len(ITEMS))])


def test_few_rows_an_item_are_no_excuse():
    few = [item for item in range(600) for _ in range(1 + item % 3)]
    assert not described([f"reply {n}" if DRAW.random() < 0.07 else None for n in range(len(few))], few)
    assert described([f"Mug {item}" for item in few], few)


def test_what_is_the_same_in_each_row_describes_the_item_but_for_slips():
    assert described([f"Mug {item}" for item in ITEMS])
    assert described([f"rare {item % 2}" if item % 15 == 0 else None for item in ITEMS])
    assert described([None if at % 400 == 0 else f"Mug {item}" for at, item in enumerate(ITEMS)])
    assert described([f"MUG {item}" if at % 600 == 0 else f"Mug {item}" for at, item in enumerate(ITEMS)])


@pytest.mark.parametrize(
    "name",
    [
        *("average_rating", "ratings_count", "work_text_reviews_count", "review_count", "stars", "rating", "avgScore"),
        *("num_votes", "vote_average", "popularity", "salesRank", "评分", "Bewertungen"),
    ],
)
@pytest.mark.parametrize("written", ["{:.1f}", "{:.1f} out of 5"])
def test_what_sums_up_all_ratings_is_no_attribute(name, written):
    assert roles({name: [written.format(n % 40 / 10 + 1) for n in range(90)]}).left[name] == (
        "it counts held-out ratings too"
    )


def test_a_fact_that_is_named_like_a_rating_is_an_attribute():
    facts = {"content_rating": ["PG", "R", "G"] * 30, "year": ["1999", "2001", "2012"] * 30, "price": ["1", "2"] * 45}
    assert roles(facts).attributes == tuple(facts)


def roles(columns):
    columns = {"item": [f"i{n}" for n in range(90)], "title": [f"Red {n} Mug" for n in range(90)], **columns}
    named = tuple(Column(name, pa.array(column, pa.string())) for name, column in columns.items())
    return item_roles(Table(PLACE, {}, named, complete=True), "item", "linked")
