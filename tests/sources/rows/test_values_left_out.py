"""Words for missing values, scales, decimal commas, kinds of events, returns, and ids in another dress."""

import time
from datetime import UTC, datetime

import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet
from pydantic import ValidationError

from hnlm_ray.config import InteractionFile, TableSource
from hnlm_ray.sources import Rejects, read_interactions, read_items
from hnlm_ray.sources.readers.records import plain_text
from hnlm_ray.sources.readers.rejects import MOST_KINDS, MOST_LEFT_OUT
from hnlm_ray.sources.rows.values import Clock

UI = {"user": "u", "item": "i"}
RATED = {**UI, "rating": "r"}
TIMED = {**UI, "timestamp": "t"}


def read(path, columns, share=0.0, *, items=None, more=(), fold_ids=(), **options):
    """Return the tables' rows and what was left out; no line may be bad unless a test allows it."""
    file = {"path": str(path), "columns": columns, **options}
    source = TableSource(
        format="table", interactions=file, items=items, more_items=more, fold_ids=fold_ids, max_bad_share=share
    )
    rejects = Rejects()
    rows = [row for table in read_interactions(source, rejects) for row in table.to_pylist()]
    found = [row for table in read_items(source, rejects) for row in table.to_pylist()]
    return rows, found, rejects


def column(rows, name):
    return [row[name] for row in rows]


@pytest.fixture
def write(tmp_path):
    def write(text, name="r.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write


MISSING = ["NULL", "nan", "\\N"]


def test_words_for_missing_values(write):
    text = "u,i,r,t,v\na,1,NULL,nan,fine\n NULL ,2,3,4,x\nb,\\N,3,4,x\nnull,3,4, \\N,nan\n"
    columns = {**RATED, "timestamp": "t", "review": ["v"]}
    rows, _, rejects = read(write(text), columns, share=1.0, missing=MISSING)
    assert column(rows, "user_id") == ["a", "null"]
    assert column(rows, "rating") == [None, 4.0]
    assert column(rows, "timestamp") == [None, None]
    assert column(rows, "review") == ["fine", None]
    assert (rejects.by_reason, rejects.bad) == ({"user id is missing": 1, "item id is missing": 1}, 2)


def test_words_may_be_what_yaml_makes_of_them():
    tree = yaml.safe_load("{path: x, missing: [NULL, nan, -9, 9.5], columns: {event: e}, events: [1, buy]}")
    found = InteractionFile.model_validate(tree)
    assert found.missing == ("NULL", "null", "Null", "nan", "-9", "9.5")
    assert found.events == ("1", "buy")
    with pytest.raises(ValidationError, match="valid string"):
        InteractionFile(path="x", missing=[["a"]])


def test_words_for_missing_values_of_items(write, tmp_path):
    items = {
        "path": write("i,title,genre,text,k\n1,NULL,nan,\\N,k1\n2,The nan,g,t,NULL\nnan,x,g,t,k2\n", "i.csv"),
        "columns": {"item": "i", "attributes": ["genre"], "text": ["text"]},
        "missing": MISSING,
    }
    more = [{"path": write("k,title\nk1,One\nNULL,None\n", "m.csv"), "link": "k", "columns": {"item": "k"}}]
    _, found, rejects = read(write("u,i\na,1\n"), UI, share=1.0, items=items, more=more)
    assert column(found, "title") == ["One", "The nan"]
    assert column(found, "attributes") == [[], [("genre", "g")]]
    assert column(found, "text") == [None, "t"]
    assert rejects.by_reason == {"item id is missing": 1, "names no item of the first file": 1}


def test_words_for_missing_values_of_parquet(tmp_path):
    table = {"u": ["a", "b"], "i": [1, -9], "r": [float("nan"), 2.0]}
    parquet.write_table(pa.table(table), tmp_path / "r.parquet")
    rows, _, rejects = read(tmp_path / "r.parquet", RATED, share=1.0, missing=["nan", "-9"])
    assert (column(rows, "item_id"), column(rows, "rating")) == (["1"], [None])
    assert rejects.by_reason == {"item id is missing": 1}


def test_ratings_beyond_the_scale_are_missing_and_their_rows_stay(write):
    path = write("u,i,r\na,1,5\nb,1,99\nc,1,0\nd,1,.1\n,1,99\n")
    rows, _, rejects = read(path, RATED, share=0.5, rating_range=[0.1, 5])
    assert column(rows, "rating") == [5.0, None, None, pytest.approx(0.1)]
    assert rejects.by_reason == {"rating outside rating_range": 2, "user id is empty": 1}
    assert rejects.bad == 1
    assert rejects.table().to_pylist()[1]["reason"].startswith("rating outside rating_range: '99")
    rows, _, _ = read(path, RATED, share=1.0, rating_values={"5": 3, "99": 7}, rating_range=[1, 5])
    assert column(rows, "rating") == [3.0, None]


def test_times_beyond_the_days_are_missing(write):
    days = ["2020-01-01", "2020-12-31 23:59:59", "2021-01-01", "2019-12-31 23:59:59", "9999-12-31"]
    path = write("u,i,t\n" + "".join(f"a,{n},{day}\n" for n, day in enumerate(days)))
    rows, _, rejects = read(path, TIMED, time_range=["2020-01-01", "2020-12-31"])
    assert column(rows, "timestamp") == [1577836800, 1609459199, None, None, None]
    assert (rejects.by_reason, rejects.bad) == ({"timestamp outside time_range": 3}, 0)


def test_what_is_unreadable_may_be_missing(write):
    path = write("u,i,r,t\na,1,NA,5\nb,1,4,soon\nc,1,inf,6\n,1,x,y\n")
    columns = {**RATED, "timestamp": "t"}
    rows, _, rejects = read(path, columns, share=0.5, unreadable="missing")
    assert column(rows, "rating") == [None, 4.0, None]
    assert column(rows, "timestamp") == [5, None, 6]
    assert rejects.by_reason == {
        "user id is empty": 1,
        "rating is not a number, so it is missing": 1,
        "rating is not finite, so it is missing": 1,
        "timestamp is not seconds, milliseconds or ISO 8601, so it is missing": 1,
    }
    assert rejects.bad == 1
    rows, _, rejects = read(path, columns, share=1.0)
    assert (rows, rejects.bad) == ([], 4)
    rows, _, _ = read(path, RATED, share=1.0, rating_values={"4": 1}, unreadable="missing")
    assert column(rows, "rating") == [None, 1.0, None]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7,85", 7.85),
        ("1.234,5", 1234.5),
        ("1 234,5", 1234.5),
        ("1\u202f234\u00a0567", 1234567),
        ("-0,5", -0.5),
        ("+3", 3),
        (" 4 ", 4),
        ("1.234", 1234),
        ("4.5", 4.5),
        ("1,2,3", None),
        ("12.34,5", None),
        (",5", None),
    ],
)
def test_decimal_commas(write, text, number):
    rows, _, rejects = read(write(f"u;i;r\na;1;{text}\nb;1;\n"), RATED, share=1.0, separator=";", decimal=",")
    assert column(rows, "rating") == ([] if number is None else [pytest.approx(number)]) + [None]
    assert rejects.bad == (number is None)


def test_other_kinds_of_events_are_left_out_by_name(write):
    path = write("u,i,e\na,1,view\na,2, buy \n,3,view\n,,cart\nb,1,\nb,2,Buy\n")
    rows, _, rejects = read(path, {**UI, "event": "e"}, events=["buy"])
    assert [(row["user_id"], row["item_id"]) for row in rows] == [("a", "2")]
    assert rejects.by_reason == {
        "event is missing": 1,
        "event 'view' is not one of events": 2,
        "event 'cart' is not one of events": 1,
        "event 'Buy' is not one of events": 1,
    }
    assert (rejects.bad, rejects.lines) == (0, 6)


def test_fifty_kinds_of_events_are_named_over_all_files(write, tmp_path):
    for part in range(2):
        write("u,i,e\n" + "".join(f"a,1,k{n}\n" for n in range(part * 40, part * 40 + 40)), f"p{part}.csv")
    _, _, rejects = read(tmp_path / "p*.csv", {**UI, "event": "e"}, events=["buy"])
    assert len(rejects.by_reason) == MOST_KINDS + 1
    assert rejects.by_reason["event of a further kind is not one of events"] == 80 - MOST_KINDS


def test_what_is_left_out_by_the_million_is_quick_and_leaves_room_for_bad_lines(write):
    path = write("u,i,e\n" + "a,1,view\n" * 200_000 + ",1,buy\na,1,buy\n")
    started = time.monotonic()
    rows, _, rejects = read(path, {**UI, "event": "e"}, events=["buy"], share=0.01)
    assert time.monotonic() - started < 5
    assert (len(rows), rejects.by_reason["event 'view' is not one of events"]) == (1, 200_000)
    assert rejects.table().num_rows == MOST_LEFT_OUT + 1


def test_returns_are_left_out(write):
    path = write("u;i;q\na;1;2\na;2;-1\n;3;0\nb;1;\nb;2;x\nb;3;0,5\nb;4;nan\n")
    rows, _, rejects = read(path, {**UI, "quantity": "q"}, share=0.5, separator=";", decimal=",")
    assert column(rows, "item_id") == ["1", "1", "3"]
    assert rejects.by_reason == {"quantity is 0 or less": 2, "quantity is not a number": 2}
    assert rejects.bad == 2


DRESSED = [
    (("blanks",), [" a ", "a\u00a0", "\ufeffa"], "a"),
    (("decimals",), ["12.0", "12.00", "12"], "12"),
    (("zeros",), ["007", "7"], "7"),
    (("zeros",), ["000", "0"], "0"),
    (("case",), ["Straße", "STRASSE"], "strasse"),
    (("unicode",), ["\uff21\uff11", "A1"], "A1"),
    (("blanks", "decimals", "zeros"), [" 0012.0", "12 "], "12"),
]


@pytest.mark.parametrize(("how", "written", "plain"), DRESSED)
def test_ids_in_another_dress(tmp_path, how, written, plain):
    lines = "".join(f'{{"u": "{one}", "i": "{one}", "k": "{one}"}}\n' for one in written)
    (tmp_path / "r.jsonl").write_text(lines, encoding="utf-8")
    items = {"path": str(tmp_path / "r.jsonl"), "columns": {"item": "i", "title": None}}
    more = [{**items, "link": "k", "columns": {"item": "u", "title": "k"}}]
    rows, found, rejects = read(tmp_path / "r.jsonl", UI, items=items, more=more, fold_ids=how)
    assert {*column(rows, "user_id"), *column(rows, "item_id")} == {plain}
    assert [(row["item_id"], row["title"]) for row in found] == [(plain, written[0])]
    assert rejects.by_reason["duplicate item"] == 2 * (len(written) - 1)


def test_ids_stay_as_they_are_and_only_digits_lose_zeros(write):
    path = write("u,i\n a,007\n12.0,A\n")
    assert [*read(path, UI)[0][0].values()][:2] == [" a", "007"]
    rows, _, _ = read(write("u,i\n00a,1.50\nv0,1.0.0\n"), UI, fold_ids=["decimals", "zeros"])
    assert [(row["user_id"], row["item_id"]) for row in rows] == [("00a", "1.50"), ("v0", "1.0.0")]


def seconds(values, time_format=None):
    found, wrong = Clock(time_format).seconds(values if isinstance(values, pa.Array) else pa.array(values))
    return found.to_pylist(), wrong.sum()


@pytest.mark.parametrize("most", [1, 1e3, 1e6, 1e9])
def test_a_file_may_mix_units(most):
    at = 1_514_764_800
    values = [at * most] * 5 + [at, at * 1e3, at * 1e6, at * 1e9, 0, 5 * most]
    expected = [at] * 9 + [0, 5]
    assert seconds([str(int(value)) for value in values]) == (expected, 0)
    assert seconds(pa.array([int(value) for value in values], pa.int64())) == (expected, 0)


def test_years_that_no_unit_else_has_stay_in_that_of_the_file():
    assert seconds(["1514764800", "253402214400", "-86400"]) == ([1514764800, 253402214400, -86400], 0)
    assert seconds(["1514764800000", "253402214400000", "86400000"]) == ([1514764800, 253402214400, 86400], 0)


@pytest.mark.parametrize(
    ("values", "time_format", "day"),
    [
        (["201707191446"], "%Y%m%d%H%M", "2017-07-19 14:46"),
        (["2017071914"], "%Y%m%d%H", "2017-07-19 14:00"),
        ([20170719144601], "%Y%m%d%H%M%S", "2017-07-19 14:46:01"),
        ([20170719.0], "%Y%m%d", "2017-07-19"),
        ([1052018], "%d%m%Y", "2018-05-01"),
        (["Wed Mar 01 2017 11:37:00 GMT+0200 (CEST)"], "%a %b %d %Y %H:%M:%S GMT%z", "2017-03-01 09:37"),
        (["1.5.2018 (Tuesday)"], "%d.%m.%Y (%A)", "2018-05-01"),
        (["2017-08-01 10:00:00.123 UTC"], None, "2017-08-01 10:00:00"),
        (["2017-08-01 10:00:00.123 UTC"], "%Y-%m-%d %H:%M:%S.%f %Z", "2017-08-01 10:00:00"),
        (["2017-08-01 10:00:00 +0000 UTC"], None, "2017-08-01 10:00:00"),
        (["2017-08-01T10:00:00 -05:00 (EST)"], None, "2017-08-01 15:00:00"),
        (["2017-08-01 10:00 GMT"], None, "2017-08-01 10:00:00"),
    ],
)
def test_ways_to_write_a_time(values, time_format, day):
    assert seconds(values, time_format) == ([int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())], 0)


def test_numbers_that_no_format_reads_are_told():
    assert seconds(pa.array([20171399, 2.5, None]), "%Y%m%d") == ([None, None, None], 2)


def test_python_dicts_a_line(write):
    text = "{u'u': u'a', 'i': 1, 'r': 4.0, 'v': u'it\\'s', 'more': {u'x': [None, True]}}\n{'u': 'b'\n[1]\n"
    text += '{"u": "c", "i": 2, "r": null}\n{\'u\': __import__(\'os\'), \'i\': 3}\n'
    rows, _, rejects = read(write(text, "r.json"), {**RATED, "review": ["v"]}, share=1.0, format="literals")
    assert [(row["user_id"], row["item_id"], row["rating"], row["review"]) for row in rows] == [
        ("a", "1", 4.0, "it's"),
        ("c", "2", None, None),
    ]
    assert rejects.by_reason == {
        "line is not JSON, nor a Python literal": 2,
        "line is neither a JSON object nor a Python dict": 1,
    }


PARAGRAPHS = ["The first paragraph of what a shop says of it.", "A second one, which is about as long as the first."]


def test_lists_of_sentences_are_lines_and_lists_of_tags_are_not(write, tmp_path):
    assert plain_text([*PARAGRAPHS, "New"]) == "\n".join([*PARAGRAPHS, "New"])
    assert plain_text(["red", "blue", PARAGRAPHS[0]]) == f"red, blue, {PARAGRAPHS[0]}"
    parquet.write_table(pa.table({"item_id": ["1"], "title": ["x"], "text": [PARAGRAPHS]}), tmp_path / "i.parquet")
    cell = str(PARAGRAPHS).replace('"', '""')
    places = [
        write('{"item_id": 1, "title": "x", "text": ["%s", "%s"]}' % (*PARAGRAPHS,), "i.jsonl"),  # noqa: UP031
        write(f'item_id,title,text\n1,x,"{cell}"\n', "i.csv"),
        str(tmp_path / "i.parquet"),
    ]
    for place in places:
        _, found, _ = read(write("u,i\na,1\n"), UI, items={"path": place, "columns": {"text": ["text"]}})
        assert column(found, "text") == ["\n".join(PARAGRAPHS)]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rating_range": [1, 5]}, r"rating_range needs columns.rating"),
        ({"time_range": ["2020-01-01", "2021-01-01"]}, r"time_range needs columns.timestamp"),
        ({"columns": {"rating": "r"}, "rating_range": [5, 1]}, "rating_range begins behind its end"),
    ],
)
def test_limits_need_their_column_and_their_order(options, told):
    with pytest.raises(ValidationError, match=told):
        InteractionFile(path="x", **options)
