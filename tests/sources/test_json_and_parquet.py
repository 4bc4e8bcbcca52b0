import json
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import ItemFile, TableSource
from hnlm_ray.sources import Rejects, read_interactions, read_items


def read(path, columns=None, share=1.0, **options):
    file = {"path": str(path), "columns": columns or {}, **options}
    rejects = Rejects()
    source = TableSource(format="table", interactions=file, max_bad_share=share)
    return [row for table in read_interactions(source, rejects) for row in table.to_pylist()], rejects


def reasons(rejects):
    return {row["line"]: row["reason"] for row in rejects.table().to_pylist()}


def test_json_lines_with_every_kind_of_bad_line(tmp_path):
    path = tmp_path / "reviews.jsonl"
    good = {"user_id": "u1", "item_id": 7, "rating": 4.0, "unixReviewTime": 1393545600}
    texts = [
        json.dumps(good),
        "",
        '{"user_id": "u2", "item_id"',
        "[1, 2]",
        '{"user_id": "u3", "item_id": "i", "rating": NaN}',
        '{"user_id": "\\ud83d", "item_id": "i", "rating": 1}',
        '{"user_id": "a\\u0000b", "item_id": "i", "rating": 1}',
        '{"item_id": "i", "rating": 1}',
        "[" * 100_000,
        '{"user_id": "😀", "item_id": "i", "rating": "5"}',
        '{"user_id": ["a"], "item_id": "i"}',
    ]
    path.write_text("\n".join(texts), encoding="utf-8")
    rows, rejects = read(path, {"rating": "rating", "timestamp": "unixReviewTime"})
    assert [(row["user_id"], row["item_id"], row["rating"]) for row in rows] == [
        ("u1", "7", 4.0),
        ("😀", "i", 5.0),
    ]
    assert sorted(reasons(rejects)) == [3, 4, 5, 6, 7, 8, 9, 11]
    assert "not JSON" in reasons(rejects)[3]
    assert "half a character" in reasons(rejects)[6]
    assert "not text or a number" in reasons(rejects)[11]


def test_json_names_a_missing_key_and_undecodable_bytes(tmp_path):
    path = tmp_path / "r.json"
    path.write_bytes(b'{"user": "u", "item_id": "i"}\n')
    with pytest.raises(SourceError, match="no column 'user_id', only 'item_id', 'user'"):
        read(path)
    path.write_bytes(b'{"user_id": "u", "item_id": "i"}\n{"user_id": "\xe9", "item_id": "i"}\n')
    assert reasons(read(path)[1]) == {2: "not utf-8, set source.interactions.encoding: 'byte 0xE9'"}
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="is empty"):
        read(path)


def test_json_items_flatten_lists(tmp_path):
    path = tmp_path / "meta.jsonl"
    path.write_text(json.dumps({"asin": "a", "title": "T", "categories": [["x", "y"]], "description": ["p", "q"]}))
    columns = {"item": "asin", "attributes": ["categories"], "text": ["description"]}
    source = TableSource(format="table", interactions={"path": "-"}, items=ItemFile(path=str(path), columns=columns))
    (row,) = next(read_items(source, Rejects())).to_pylist()
    assert row == {"item_id": "a", "title": "T", "attributes": [("categories", "x, y")], "text": "p, q"}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.text(st.characters(codec=None)), st.text()), min_size=1),
    st.booleans(),
)
def test_any_text_as_an_id_round_trips_or_is_a_counted_reject(tmp_path, ids, escaped):
    path = tmp_path / "x.jsonl"
    dumped = (json.dumps({"user_id": u, "item_id": i}, ensure_ascii=escaped) for u, i in ids)
    path.write_bytes("\n".join(dumped).encode("utf-8", "surrogatepass"))
    rows, rejects = read(path)
    legal = [pair for pair in ids if all(_legal(value) for value in pair)]
    assert [(row["user_id"], row["item_id"]) for row in rows] == legal
    assert rejects.bad == len(ids) - len(legal)


def _legal(value):
    return bool(value.strip()) and "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)


def test_parquet_takes_native_types(tmp_path):
    path = tmp_path / "r.parquet"
    moment = datetime(2018, 1, 1, tzinfo=UTC)
    table = pa.table(
        {
            "user_id": pa.array([1.0, 2.0, None]),
            "item_id": pa.array(["a", "b", "c"]).dictionary_encode(),
            "rating": [5, 3, 1],
            "when": pa.array([moment] * 3, pa.timestamp("ns", "UTC")),
        }
    )
    parquet.write_table(table, path)
    rows, rejects = read(path, {"rating": "rating", "timestamp": "when"})
    assert [(r["user_id"], r["item_id"], r["rating"], r["timestamp"]) for r in rows] == [
        ("1", "a", 5.0, 1514764800),
        ("2", "b", 3.0, 1514764800),
    ]
    assert reasons(rejects) == {3: "user id is empty: ''"}


def test_parquet_dates_nan_and_other_types(tmp_path):
    path = tmp_path / "r.parquet"
    parquet.write_table(
        pa.table({"user_id": [1, 2], "item_id": [3, 4], "r": [float("nan"), 2.0], "d": [date(1970, 1, 2)] * 2}), path
    )
    rows, rejects = read(path, {"rating": "r", "timestamp": "d"})
    assert [row["timestamp"] for row in rows] == [86400]
    assert rejects.by_reason == {"rating is not finite": 1}
    parquet.write_table(pa.table({"user_id": [[1]], "item_id": [1.5]}), path)
    with pytest.raises(SourceError, match="'user_id' has the type list"):
        read(path)
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(SourceError, match="can't be read as Parquet"):
        read(path)


def test_parquet_times_that_python_has_no_value_for_are_written_or_rejected(tmp_path):
    far = pa.array([2**31 - 1, 0], pa.int32()).cast(pa.date32())
    path = tmp_path / "r.parquet"
    parquet.write_table(pa.table({"user_id": ["a", "b"], "item_id": ["x", "y"], "day": far}), path)
    events = {"path": str(path), "columns": {"timestamp": "day"}}
    source = TableSource(format="table", interactions=events, max_bad_share=1.0)
    rejects = Rejects()
    assert [row["user_id"] for found in read_interactions(source, rejects) for row in found.to_pylist()] == ["b"]
    assert "date32[day] out of range" in rejects.table()["reason"][0].as_py()
    items = {"path": str(path), "columns": {"title": "day"}}
    source = TableSource(format="table", interactions=events, items=items, max_bad_share=1.0)
    (found,) = read_items(source, Rejects())
    assert found["title"].to_pylist()[1] == "1970-01-01"


def test_parquet_objects_with_times_and_bytes_become_texts(tmp_path):
    path = tmp_path / "r.parquet"
    parquet.write_table(
        pa.table({"item_id": ["x"], "title": pa.array([{"day": date(2014, 2, 28), "raw": b"\xff"}])}), path
    )
    options = {"path": str(path)}
    (found,) = read_items(TableSource(format="table", interactions=options, items=options), Rejects())
    assert found["title"].to_pylist() == ['{"day": "2014-02-28", "raw": "b\'\\\\xff\'"}']


def test_parquet_texts_that_are_not_utf8_are_one_sentence(tmp_path):
    wrong = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())
    path = tmp_path / "r.parquet"
    parquet.write_table(pa.table({"user_id": wrong, "item_id": ["x"]}), path)
    with pytest.raises(SourceError, match="Invalid UTF8") as told:
        list(read_interactions(TableSource(format="table", interactions={"path": str(path)}), Rejects()))
    assert "\n" not in str(told.value)
