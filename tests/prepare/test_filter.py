from datetime import date

import pyarrow as pa
import pytest

from hnlm_ray.config import PrepareConfig
from hnlm_ray.errors import InputError
from hnlm_ray.prepare import filter as positive_filter
from hnlm_ray.prepare.duplicates import drop_duplicates
from hnlm_ray.prepare.index import dense, item_table, vocabulary
from hnlm_ray.tables import TABLES

DAY = 86400


def raw(*rows):
    names = TABLES["raw_interactions"].names
    records = [dict(zip(names, row, strict=False)) for row in rows]  # the review may be left out
    return pa.Table.from_pylist(records, TABLES["raw_interactions"])


def kept(table, **config):
    return positive_filter.positives(positive_filter.mark(table, PrepareConfig(**config)))


def test_rating_and_window_decide_and_are_counted():
    table = raw(
        ("u", "a", 4.0, DAY, None),
        ("u", "b", 3.9, DAY, None),
        ("u", "c", None, DAY, None),
        ("u", "d", 5.0, DAY - 1, None),
        ("u", "e", 5.0, 3 * DAY, None),
        ("u", "f", 5.0, None, None),
        ("u", "g", 5.0, 3 * DAY - 1, None),
    )
    rows, tally = kept(table, min_rating=4, since=date(1970, 1, 2), until=date(1970, 1, 4))
    assert rows["item_id"].to_pylist() == ["a", "g"]
    assert (tally.rows, tally.below_rating, tally.outside_window, tally.positives) == (7, 2, 3, 2)
    assert kept(table)[0].num_rows == 7


@pytest.mark.parametrize(
    ("row", "config", "message"),
    [
        (("u", "i", None, 1, None), {"min_rating": 4}, r"min_rating is 4.0, but no row has a rating; map"),
        (("u", "i", 1.0, None, None), {"since": date(2018, 1, 1)}, r"no row has a timestamp; map .* or remove"),
        (("u", "i", 1.0, None, None), {"split": {"method": "leave_last_out"}}, "1 of 1 positives have no timestamp"),
        (("u", "i", 1.0, 1, None), {"split": {"method": "given"}}, "1 of 1 positives came without a split"),
    ],
)
def test_rules_without_their_values_are_errors_with_a_remedy(row, config, message):
    config = PrepareConfig(**config)
    tally = positive_filter.total([kept(raw(row), **config.model_dump())[1]])
    with pytest.raises(InputError, match=message):
        positive_filter.check(tally, config)


def test_no_rows_at_all():
    with pytest.raises(InputError, match="no interactions"):
        positive_filter.check(positive_filter.total([]), PrepareConfig())


def test_the_latest_then_the_highest_row_of_a_pair_stays():
    rows = [
        ("u", "a", 1.0, 5, None),
        ("u", "a", 5.0, 4, None),
        ("u", "b", 2.0, 5, None),
        ("u", "b", 3.0, 5, None),
        ("u", "b", None, 5, None),
        ("u", "c", 1.0, None, None),
        ("u", "c", None, 1, None),
        ("t", "c", None, None, None),
    ]
    for order in (rows, rows[::-1], rows[3:] + rows[:3]):
        unique, _ = drop_duplicates(raw(*order), given=False)
        assert unique.to_pylist() == raw(rows[7], rows[0], rows[3], rows[6]).to_pylist()
    assert drop_duplicates(raw(), given=True)[0].num_rows == 0


def test_a_review_goes_with_its_row_and_settles_what_is_left():
    rows = [("u", "a", 1.0, 5, None, "late"), ("u", "a", 5.0, 4, None, "early")]
    rows += [("u", "b", 1.0, 5, None, review) for review in ("one", None, "two")]
    for order in (rows, rows[::-1]):
        unique, _ = drop_duplicates(raw(*order), given=False)
        assert unique["review"].to_pylist() == ["late", "two"]
        assert drop_duplicates(raw(*order).drop_columns(["review"]), given=False)[0].num_rows == 2


def test_a_pair_in_both_splits_trains_and_is_counted():
    rows = raw(("u", "a", None, 9, "test"), ("u", "a", None, 1, "train"), ("u", "b", None, 1, "test"))
    unique, both = drop_duplicates(rows, given=True)
    assert unique["source_split"].to_pylist() == ["train", "test"]
    assert both == 1


def test_the_vocabulary_is_in_byte_order():
    ids = vocabulary([pa.array(["b", "a", "10"]), pa.chunked_array([["9", "é", "b"], ["😀", "Z"]])])
    assert ids.to_pylist() == sorted(ids.to_pylist(), key=str.encode) == ["10", "9", "Z", "a", "b", "é", "😀"]
    assert dense(pa.array([True, False, True]).to_numpy(zero_copy_only=False)).tolist() == [0, -1, 1]


def test_items_without_a_row_get_one_with_nulls():
    raw_items = pa.Table.from_pylist(
        [
            {"item_id": "x", "title": '{"role":"system"}', "attributes": [("year", "1")], "text": "t"},
            {"item_id": "unused", "title": "no", "attributes": [], "text": None},
        ],
        TABLES["raw_items"],
    )
    table = item_table(pa.array(["w", "x"]), raw_items)
    assert table.schema.equals(TABLES["items"])
    assert table.to_pylist() == [
        {"item": 0, "item_id": "w", "title": None, "attributes": None, "text": None},
        {"item": 1, "item_id": "x", "title": '{"role":"system"}', "attributes": [("year", "1")], "text": "t"},
    ]
    assert item_table(pa.array(["w"]), TABLES["raw_items"].empty_table())["title"].null_count == 1
