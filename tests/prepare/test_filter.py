import re
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import PrepareConfig
from hnlm_ray.prepare import blocks, index
from hnlm_ray.prepare import filter as positive_filter
from hnlm_ray.prepare.duplicates import GIVEN_SPLITS, TRAINS, Repeats, drop_duplicates
from hnlm_ray.prepare.index import RawItems, item_table
from hnlm_ray.workspace.tables import TABLES

DAY = 86400


def raw(*rows):
    names = TABLES["raw_interactions"].names
    records = [dict(zip(names, row, strict=False)) for row in rows]  # the review may be left out
    return pa.Table.from_pylist(records, TABLES["raw_interactions"])


def kept(table, **config):
    rows, positive, tally = positive_filter.kept_rows(table, PrepareConfig(**config))
    return rows.filter(pa.array(positive)), tally


def coded(table, *, given=False, **config):
    """Give rows the codes that a vocabulary of their own ids gives."""
    split = {"split": {"method": "given"}} if given else {}
    found, rows = blocks.encode(table, PrepareConfig(**split, **config))
    (ids, (users,)), (_, (items,)) = (blocks.vocabulary([own]) for own in (found.users, found.items))
    return blocks.scatter(rows, users, items, np.array([0, len(ids)]))[0]


def unique_rows(*rows, given=False, count=False, **config):
    table = coded(raw(*rows), given=given, **config)
    unique, found = drop_duplicates(table, config.get("min_rating"), count=count)
    return [tuple(row.values()) for row in unique.to_pylist()], found


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
    assert (tally.rows, tally.below_rating, tally.unrated, tally.outside_window, tally.positives) == (7, 1, 1, 3, 2)
    assert kept(table)[0].num_rows == 7


@pytest.mark.parametrize(
    ("row", "config", "message"),
    [
        (("u", "i", None, 1, None), {"min_rating": 4}, r"min_rating is 4.0, but no row has a rating; map"),
        (("u", "i", 1.0, None, None), {"since": date(2018, 1, 1)}, r"no row has a timestamp; map .* or remove"),
        (("u", "i", 1.0, None, None), {"split": {"method": "leave_last_out"}}, "1 of 1 positives have no timestamp"),
        (
            ("u", "i", 1.0, None, None),
            {"split": {"method": "time"}},
            "method is time, but 1 of 1 positives have no time",
        ),
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
        ("u", "a", 1.0, 5),
        ("u", "a", 5.0, 4),
        ("u", "b", 2.0, 5),
        ("u", "b", 3.0, 5),
        ("u", "b", None, 5),
        ("u", "c", 1.0, None),
        ("u", "c", None, 1),
        ("u", "d", -3.0, 1),
        ("u", "d", -2.0, 1),
        ("t", "c", None, None),
    ]
    expected = [(0, 2, None, None), (1, 0, 1.0, 5), (1, 1, 3.0, 5), (1, 2, None, 1), (1, 3, -2.0, 1)]
    for order in (rows, rows[::-1], rows[3:] + rows[:3]):
        assert [row[:4] for row in unique_rows(*order)[0]] == expected
    assert unique_rows() == ([], Repeats())


def test_no_two_ratings_tie_that_have_other_bytes():
    zeros = [("u", "a", 0.0, 5), ("u", "a", -0.0, 5)]
    for order in (zeros, zeros[::-1]):
        assert str(unique_rows(*order)[0][0][2]) == "0.0"


def test_a_review_goes_with_its_row_and_settles_what_is_left():
    rows = [("u", "a", 1.0, 5, None, "late"), ("u", "a", 5.0, 4, None, "early")]
    rows += [("u", "b", 1.0, 5, None, review) for review in ("one", None, "two")]
    for order in (rows, rows[::-1]):
        assert [row[-1] for row in unique_rows(*order)[0]] == ["late", "two"]


def test_a_pair_in_both_splits_trains_and_is_counted():
    rows = [("u", "a", None, 9, "test"), ("u", "a", None, 1, "train"), ("u", "b", None, 1, "test")]
    unique, found = unique_rows(*rows, given=True)
    assert [GIVEN_SPLITS[row[4]] for row in unique] == ["train", "test"]
    assert (found.in_train_and_test, found.in_validation_too) == (1, 0)


def test_a_pair_in_validation_and_test_validates_and_is_counted_apart():
    rows = [("u", "a", None, 9, "test"), ("u", "a", None, 1, "validation"), ("u", "b", None, 1, "validation")]
    unique, found = unique_rows(*rows, given=True)
    assert [GIVEN_SPLITS[row[4]] for row in unique] == ["validation"] * 2
    assert (found.in_train_and_test, found.in_validation_too) == (0, 1)


def test_a_rating_that_is_taken_back_is_no_positive_and_is_counted():
    rows = [("u", "a", 5.0, 1), ("u", "a", 1.0, 2), ("u", "b", 1.0, 1), ("u", "b", 5.0, 2), ("u", "c", 5.0, 1)]
    rows += [("v", "c", 4.0, 1), ("v", "c", 5.0, 2), ("v", "c", 2.0, 3)]
    for order in (rows, rows[::-1], rows[3:] + rows[:3]):
        kept, found = unique_rows(*order, min_rating=4)
        assert kept == [(0, 1, 5.0, 2, None), (0, 2, 5.0, 1, None)]
        assert (found.taken_back, found.rows, found.pairs) == (2, 1, 1)


def test_only_a_later_row_with_a_rating_and_a_time_takes_one_back():
    rows = [("u", "a", 5.0, 1), ("u", "a", None, 2), ("u", "b", 5.0, 1), ("u", "b", 1.0, None)]
    rows += [("u", "c", 5.0, 1), ("u", "c", 1.0, 1), ("u", "d", 5.0, None), ("u", "d", 1.0, None)]
    for order in (rows, rows[::-1]):
        kept, found = unique_rows(*order, min_rating=4)
        assert [row[2] for row in kept] == [5.0] * 4
        assert found.taken_back == 0
    later = [("u", "a", 5.0, DAY, None), ("u", "a", 1.0, 4 * DAY, None)]
    assert len(unique_rows(*later, min_rating=4, until=date(1970, 1, 4))[0]) == 1


def test_a_later_row_of_test_takes_nothing_back_in_train():
    rows = [("u", "a", 5.0, 1, "train"), ("u", "a", 1.0, 2, "test"), ("u", "b", 5.0, 1, "train")]
    rows += [("u", "b", 1.0, 2, "train"), ("u", "b", 5.0, 3, "test")]
    unique, found = unique_rows(*rows, given=True, min_rating=4)
    assert [GIVEN_SPLITS[row[4]] for row in unique] == ["train", "test"]
    assert (found.taken_back, found.in_train_and_test) == (0, 1)


def test_rows_below_of_users_and_items_without_a_positive_leave_no_trace():
    rows = [("u", "a", 5.0, 1), ("zero", "a", 1.0, 1), ("u", "nothing", 1.0, 1)]
    found, _ = blocks.encode(raw(*rows), PrepareConfig(min_rating=4))
    assert found.users.positives.to_pylist() == ["u"]
    assert found.users.others.to_pylist() == ["zero"]
    assert unique_rows(*rows, min_rating=4)[0] == [(0, 0, 5.0, 1, None)]


def test_how_often_a_pair_came_is_counted_where_it_is_wanted():
    rows = [("u", "a", None, time) for time in (1, 2, 3)] + [("u", "b", None, 1)]
    kept, found = unique_rows(*rows, count=True)
    assert [row[-1] for row in kept] == [3, 1]
    assert (found.rows, found.pairs) == (2, 1)
    split = [("u", "a", None, 1, "train"), ("u", "a", None, 2, "train"), ("u", "a", None, 3, "test")]
    assert [row[-1] for row in unique_rows(*split, given=True, count=True)[0]] == [2]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("uv"),
            st.sampled_from("ab"),
            st.sampled_from([None, 1.0, 3.0, 5.0]),
            st.sampled_from([None, 1, 2, 3]),
        ),
        max_size=12,
    )
)
def test_the_last_row_of_a_pair_decides(rows):
    expected = {}
    for user, item, rating, time in rows:
        if rating is not None:
            key = (time is not None, time or 0, rating)
            expected[user, item] = max(expected.get((user, item), key), key)
    table = blocks.unique_positives(raw(*rows), PrepareConfig(min_rating=3))
    found = {(row["user_id"], row["item_id"]): row["rating"] for row in table.to_pylist()}
    assert found == {pair: rating for pair, (_, _, rating) in expected.items() if rating >= 3}


def test_positives_of_one_user_come_with_the_ids_of_the_source():
    rows = [
        ("u", "b", 4.0, 1, "test"),
        ("u", "a", 4.0, 1, "train"),
        ("u", "a", 5.0, 2, "test"),
        ("u", "c", 1.0, 1, "test"),
    ]
    config = PrepareConfig(min_rating=4, split={"method": "given"})
    assert blocks.unique_positives(raw(*rows), config).to_pylist() == [
        {"user_id": "u", "item_id": "a", "rating": 4.0, "timestamp": 1, "given": TRAINS, "review": None},
        {"user_id": "u", "item_id": "b", "rating": 4.0, "timestamp": 1, "given": 0, "review": None},
    ]
    assert blocks.unique_positives(raw(), config).num_rows == 0


@given(st.lists(st.lists(st.sampled_from(["b", "a", "10", "9", "é", "😀", "Z", ""]), max_size=9), max_size=4))
def test_the_vocabulary_is_in_byte_order_and_tells_each_part_its_places(parts):
    found = [index.distinct(pa.chunked_array([part[:3], part[3:]], pa.string())) for part in parts]
    ids, places = index.vocabulary([distinct for distinct, _ in found])
    assert ids.to_pylist() == sorted({name for part in parts for name in part}, key=str.encode)
    for part, (_, codes), place in zip(parts, found, places, strict=True):
        assert ids.take(pa.array(place[codes], pa.int32())).to_pylist() == part


def test_ids_that_a_dictionary_only_lists_are_none():
    listed = pa.DictionaryArray.from_arrays(pa.array([2, 0, 2], pa.int32()), ["a", "b", "c"])
    ids, codes = index.distinct(pa.chunked_array([listed]))
    assert (ids.to_pylist(), codes.tolist()) == (["a", "c"], [1, 0, 1])
    assert index.dense(np.array([True, False, True])).tolist() == [0, -1, 1]


@given(st.lists(st.integers(0, 5)), st.integers(6, 70_000))
def test_rows_are_divided_and_keep_their_order(parts_of, parts):
    rows = pa.table({"row": np.arange(len(parts_of))})
    pieces = blocks.divide(rows, np.array(parts_of, np.int64), parts)
    assert len(pieces) == parts
    for part in range(6):
        assert pieces[part]["row"].to_pylist() == [row for row, one in enumerate(parts_of) if one == part]


def test_items_without_a_row_get_one_with_nulls():
    raw_items = pa.Table.from_pylist(
        [
            {"item_id": "x", "title": '{"role":"system"}', "attributes": [("year", "1")], "text": "t"},
            {"item_id": "unused", "title": "no", "attributes": [], "text": None},
        ],
        TABLES["raw_items"],
    )
    table = item_table(pa.array(["w", "x"]), RawItems(raw_items["item_id"], [raw_items]))
    assert table.schema.equals(TABLES["items"])
    assert table.to_pylist() == [
        {"item": 0, "item_id": "w", "title": None, "attributes": None, "text": None},
        {"item": 1, "item_id": "x", "title": '{"role":"system"}', "attributes": [("year", "1")], "text": "t"},
    ]
    none = RawItems(pa.chunked_array([], pa.string()), [])
    assert item_table(pa.array(["w"]), none)["title"].null_count == 1


COUNTS = {
    "rows": 1000,
    "without_rating": 0,
    "below_rating": 100,
    "outside_window": 0,
    "repeats": 300,
    "repeated_pairs": 50,
    "taken_back": 0,
    "dropped_by_sample": 0,
    "dropped_by_sample_and_kcore": 564,
    "train": 30,
    "validation": 3,
    "test": 3,
    "interactions": 36,
}
ALL_STAY = {"dropped_by_sample_and_kcore": 0}
SETTINGS = {"prepare.user_core": 10, "prepare.item_core": 5, "prepare.min_rating": 4.0, "prepare.max_users": 30}


def test_a_share_above_a_fifth_is_warned_about_with_what_to_type():
    assert positive_filter.warnings_of("prepare", COUNTS, SETTINGS) == [
        "the k-core took 94% of the positives (564 of 600): lower prepare.user_core 10 or prepare.item_core 5"
    ]
    assert positive_filter.warnings_of("results", COUNTS, SETTINGS) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"below_rating": 300, **ALL_STAY}, "30% of the ratings .300 of 1,000. are below prep"),
        (
            {"without_rating": 600, "below_rating": 0, "dropped_by_sample_and_kcore": 0},
            "60% of the rows .600 of 1,000. have no rating",
        ),
        (
            {"outside_window": 400, "dropped_by_sample_and_kcore": 0},
            "44% of the rows .400 of 900. are outside prepare.s",
        ),
        ({"taken_back": 200, **ALL_STAY}, "33% of the pairs with a positive .200 of 600. are left out"),
        ({"in_train_and_test": 7, **ALL_STAY}, "70% of the pairs in test .7 of 10. are in train too"),
        ({"dropped_by_sample": 560}, "the sample of prepare.max_users 30 left out 93% of the positives .560 of 600."),
        ({"dropped_by_sample_and_kcore": 9, "train_left_out": 30}, "left out 50% of the training rows .30 of 60."),
        (
            {"dropped_by_sample_and_kcore": 9, "rows_of_users_without_training": 6},
            "50% of the validation and test rows .6 of 12. are left out",
        ),
    ],
)
def test_each_thing_that_takes_rows_is_warned_about(changed, told):
    (sentence,) = positive_filter.warnings_of("prepare", COUNTS | changed, SETTINGS)
    assert re.search(told, sentence)


def test_lines_that_cannot_be_used_are_warned_about():
    counts = {"lines": 10, "interactions": 7, "rejected: rating is {no} number": 3}
    assert positive_filter.warnings_of("ingest", counts, {}) == [
        "30% of the lines (3 of 10) are left out, or a value of theirs: rating is {no} number"
    ]


def test_repeats_are_told_in_words():
    (told,) = positive_filter.notes_of(COUNTS, SETTINGS)
    assert told == "300 repeats of 50 pairs: bought, seen or rated again; a pair counts once (prepare.repeats)"
    (of_before,) = positive_filter.notes_of({"rows": 5, "duplicates": 2}, {})
    assert of_before.startswith("2 repeats: ")
    found = positive_filter.notes_of({"taken_back": 4, "in_train_and_test": 2, "users_without_training": 1}, {})
    assert [sentence.split(" ", 2)[:2] for sentence in found] == [["4", "pairs"], ["2", "pairs"], ["1", "users"]]


@pytest.mark.parametrize("counts", [{}, {"rows": None, "below_rating": "x"}, {"dropped_by_sample": 5}])
def test_counts_of_another_version_are_no_fault(counts):
    assert positive_filter.warnings_of("prepare", counts, {}) == []
