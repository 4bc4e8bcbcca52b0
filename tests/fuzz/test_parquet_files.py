"""Parquet of any types, and damaged Parquet."""

import datetime as dt
import decimal
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bounds import bounded, cases
from damage import damaged, damages
from hypothesis import given
from hypothesis import strategies as st
from reading import read_all, source_of

from hnlm_ray.base.errors import HnlmError

_STAMP = dt.datetime(2014, 2, 28, 1, 2, 3, 4567)  # noqa: DTZ001  Parquet without a zone
ARRAYS = {
    "text": pa.array(["ann", "", None, "\u202eé\0"]),
    "large text": pa.array(["ann", "b" * 100_000, None, "x"], pa.large_string()),
    "text view": pa.array(["ann", "b", None, "x"], pa.string_view()),
    "whole": pa.array([1, -(2**63), None, 2**63 - 1], pa.int64()),
    "unsigned": pa.array([1, 0, None, 2**64 - 1], pa.uint64()),
    "float": pa.array([1.0, float("nan"), None, 1e308]),
    "infinite": pa.array([1.0, float("inf"), -float("inf"), 0.5]),
    "half": pa.array([1.0, 2.0, None, 3.0], pa.float16()),
    "truth": pa.array([True, False, None, True]),
    "nothing": pa.nulls(4),
    "bytes": pa.array([b"\xff", b"a", None, b""]),
    "decimal": pa.array(
        [decimal.Decimal("1.50"), None, decimal.Decimal("-9e20"), decimal.Decimal(0)], pa.decimal128(38, 2)
    ),
    "wide decimal": pa.array([decimal.Decimal(1), None, decimal.Decimal(10) ** 60, None], pa.decimal256(70, 2)),
    "date": pa.array([dt.date(2014, 2, 28), None, dt.date.min, dt.date.max]),
    "far date": pa.array([2**31 - 1, -(2**31), None, 0], pa.int32()).cast(pa.date32()),
    "seconds": pa.array([0, 2**52, -(2**52), None], pa.timestamp("s")),
    "milliseconds": pa.array([0, 2**62, -(2**62), None], pa.timestamp("ms")),
    "microseconds": pa.array([_STAMP, None, _STAMP, _STAMP], pa.timestamp("us")),
    "nanoseconds": pa.array([1393545600123456789, -(2**62), None, 1], pa.timestamp("ns")),
    "zoned": pa.array([0, 1, None, 2**62], pa.timestamp("ns", "Asia/Tokyo")),
    "no zone": pa.array([0, 1, None, 2], pa.timestamp("us", "Mars/Base")),
    "time": pa.array([1, None, 2, 3], pa.time64("ns")),
    "duration": pa.array([1, None, 2, 2**62], pa.duration("ns")),
    "list": pa.array([["a", None], [], None, ["\0"]]),
    "deep list": pa.array([[[["a"]]], [], None, [[[]]]]),
    "vectors": pa.array([[1.0, 2.0], None, [3.0, 4.0], [0.0, 0.0]], pa.list_(pa.float32(), 2)),
    "struct": pa.array([{"a": 1, "b": b"x"}, None, {"a": None, "b": b""}, {"a": 2, "b": None}]),
    "list of structs": pa.array([[{"a": _STAMP, "b": b"x"}], None, [], [{"a": None, "b": b"\xff"}]]),
    "map": pa.array([[("k", 1)], None, [], [("k", None)]], pa.map_(pa.string(), pa.int8())),
    "dictionary": pa.array(["a", "b", None, "a"]).dictionary_encode(),
    "dictionary of numbers": pa.array([1, 2, None, 1]).dictionary_encode(),
}
SHUFFLES = st.fixed_dictionaries(
    {name: st.sampled_from(sorted(ARRAYS)) for name in ("u", "i", "r", "t", "n", "g", "d")}
)


def written(arrays, **options):
    data = io.BytesIO()
    pq.write_table(pa.table({name: ARRAYS[kind] for name, kind in arrays.items()}), data, **options)
    return data.getvalue()


def read(folder, data):
    path = folder / "e.parquet"
    path.write_bytes(data)
    events = {"user": "u", "item": "i", "rating": "r", "timestamp": "t", "review": ["n"]}
    tree = {
        "format": "table",
        "interactions": {"path": str(path), "columns": events},
        "items": {"path": str(path), "columns": {"item": "i", "title": "n", "attributes": ["g", "r"], "text": ["d"]}},
    }
    return bounded("parquet", read_all, source_of(tree, folder, 1.0))


@pytest.mark.parametrize("column", ["u", "i", "r", "t", "n", "g", "d"])
@pytest.mark.parametrize("kind", ARRAYS)
def test_every_type_in_every_place_is_read_or_refused(tmp_path, kind, column):
    plain = {"u": "whole", "i": "whole", "r": "float", "t": "whole", "n": "text", "g": "text", "d": "text"}
    assert isinstance(read(tmp_path, written({**plain, column: kind})), HnlmError | dict)


@cases(300)
@given(kinds=SHUFFLES, int96=st.booleans(), old=st.booleans())
def test_any_types_together_are_read_or_refused(tmp_path, kinds, int96, old):
    options = {"use_deprecated_int96_timestamps": int96, "store_schema": not old}
    try:
        data = written(kinds, **options)
    except pa.ArrowException:  # int96 holds no such time, or Parquet no such type
        return
    read(tmp_path, data)


WHOLE = written(
    {"u": "text", "i": "whole", "r": "float", "t": "microseconds", "n": "list", "g": "map", "d": "dictionary"}
)


@cases(500)
@given(found=damages)
def test_damaged_parquet_is_read_or_refused(tmp_path, found):
    read(tmp_path, damaged(WHOLE, found))


@cases(200)
@given(size=st.integers(0, 2**31 - 1), found=damages)
def test_a_damaged_footer_is_refused(tmp_path, size, found):
    footer = int.from_bytes(WHOLE[-8:-4], "little")
    head, tail = WHOLE[: -8 - footer], WHOLE[-8 - footer : -8]
    read(tmp_path, head + damaged(tail, found) + WHOLE[-8:])
    read(tmp_path, WHOLE[:-8] + size.to_bytes(4, "little") + b"PAR1")


@pytest.mark.parametrize("kept_once", [True, False])
def test_a_long_text_repeated_by_a_small_file_is_refused(tmp_path, kept_once):
    rows = 4000 if kept_once else 400
    places = pa.array([0] * rows, pa.int32())
    long = pa.DictionaryArray.from_arrays(places, pa.array(["x" * 500_000]))
    columns = dict.fromkeys("uirtngd", long)
    data = io.BytesIO()
    table = pa.table({**columns, "u": pa.array(["a"] * rows)})
    pq.write_table(table, data, compression="zstd", store_schema=False, use_dictionary=kept_once, row_group_size=400)
    assert len(data.getvalue()) < 2**18
    outcome = read(tmp_path, data.getvalue())
    assert "as a decompression bomb does" in str(outcome)
