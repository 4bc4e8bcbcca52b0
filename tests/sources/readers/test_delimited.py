import csv
import io
import tracemalloc

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import InteractionFile, TableSource
from hnlm_ray.sources import Rejects, read_interactions, read_items
from hnlm_ray.sources.readers import delimited
from hnlm_ray.sources.readers import streams as lines
from hnlm_ray.workspace.tables import TABLES

RATED = {"rating": "rating", "timestamp": "timestamp"}


def source(path, columns=None, share=0.01, items=None, **options):
    file = {"path": str(path), "columns": columns or {}, **options}
    return TableSource(format="table", interactions=file, items=items, max_bad_share=share)


def read(path, columns=None, share=1.0, **options):
    rejects = Rejects()
    rows = [
        row
        for table in read_interactions(source(path, columns, share, **options), rejects)
        for row in table.to_pylist()
    ]
    return rows, rejects


def reasons(rejects):
    return [(row["line"], row["reason"]) for row in rejects.table().to_pylist()]


@pytest.fixture
def write(tmp_path):
    def write(text, name="ratings.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write


def test_columns_are_mapped_and_typed(write):
    path = write("extra,rating,item_id,user_id,timestamp\nx,4.5,i1,u1,881250949\nx,,i2,u1,\n")
    (first, second), rejects = read(path, RATED)
    expected = {"user_id": "u1", "item_id": "i1", "rating": 4.5, "timestamp": 881250949, "source_split": None}
    assert first == {**expected, "review": None}
    assert (second["rating"], second["timestamp"]) == (None, None)
    assert (rejects.lines, rejects.bad) == (2, 0)
    table = next(read_interactions(source(path), Rejects()))
    assert table.schema.equals(TABLES["raw_interactions"])


def test_the_error_names_share_reason_and_remedy(write):
    rows = "".join(f"u,i,{'abc' if n == 2 or n > 688 else 3}\n" for n in range(1000))
    with pytest.raises(SourceError) as error:
        read(write("user_id,item_id,rating\n" + rows), {"rating": "rating"}, share=0.01)
    assert str(error.value).endswith(
        "ratings.csv: 312 of 1000 lines can't be read (31.2%, allowed 1%); most frequent: rating is not a number "
        "(line 4: 'abc'); mend the file or raise source.max_bad_share"
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [("abc", "not a number"), ("nan", "not finite"), ("inf", "not finite"), ("1e99", "not finite"), ("1_0", "number")],
)
def test_a_rating_must_be_a_finite_number(write, value, reason):
    rows, rejects = read(write(f"user_id,item_id,rating\nu,i,{value}\nu,j,1\n"), {"rating": "rating"})
    assert [row["item_id"] for row in rows] == ["j"]
    assert reasons(rejects)[0][0] == 2
    assert reason in reasons(rejects)[0][1]


def test_ids_may_hold_quotes_newlines_commas_and_emoji_and_lines_stay_physical(write):
    path = write('user_id,item_id\n"a\nb ""q"", 😀",i1\n\n,i2\nu3,i3\n')
    rows, rejects = read(path)
    assert [row["user_id"] for row in rows] == ['a\nb "q", 😀', "u3"]
    assert reasons(rejects) == [(5, "user id is empty: ''")]


def test_a_stray_quote_costs_its_own_line_only(write):
    path = write('user_id,item_id\n"u1,i1\nu2,i2\n"u3",i3\nu4,i4\n"u5,i5\nu6,i6\n')
    rows, rejects = read(path)
    assert [row["user_id"] for row in rows] == ["u2", "u3", "u4", "u6"]
    assert [line for line, _ in reasons(rejects)] == [2, 6]


def test_quoting_can_be_off(write):
    rows, _ = read(write('user_id\titem_id\n"u1\ti"1\n', "r.tsv"), quoting=False)
    assert rows[0]["user_id"] == '"u1'


def test_multi_character_separator_without_header(write):
    path = write("1::10::5::978300760\n2::20::3::978302109\n", "ratings.dat")
    columns = {"user": "0", "item": "1", "rating": "2", "timestamp": "3"}
    rows, _ = read(path, columns, separator="::", header=False)
    assert [(r["user_id"], r["item_id"], r["rating"]) for r in rows] == [("1", "10", 5.0), ("2", "20", 3.0)]
    rows, _ = read(path, separator="::", header=False, names=["user_id", "item_id", "r", "t"])
    assert rows[1]["item_id"] == "20"


def test_rows_of_another_width_are_rejected(write):
    rows, rejects = read(write("user_id,item_id\nu,i\nu\nu,i,x\n"))
    assert len(rows) == 1
    assert reasons(rejects) == [(3, "number of fields is not 2: '1'"), (4, "number of fields is not 2: '3'")]


def test_a_missing_column_is_named_with_those_there_and_the_closest(write):
    with pytest.raises(SourceError, match=r"no column 'user_id', only 'UserId', 'item_id'; did you mean 'UserId'\?"):
        read(write("UserId,item_id\nu,i\n"))
    with pytest.raises(SourceError, match="2 columns called 'user_id'"):
        read(write("u,v,i\n"), header=False, names=["user_id", "user_id", "item_id"])


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file_is_an_error(write, text):
    with pytest.raises(SourceError, match="is empty"):
        read(write(text))


def test_undecodable_bytes_name_line_byte_and_setting(write):
    path = write("user_id,item_id\nu1,i1\ncafé,i2\nu3,i3\n", encoding="latin-1")
    rows, rejects = read(path)
    assert [row["user_id"] for row in rows] == ["u1", "u3"]
    assert reasons(rejects) == [(3, "not utf-8, set source.interactions.encoding: 'byte 0xE9'")]
    assert read(path, encoding="latin-1")[0][1]["user_id"] == "café"


@pytest.mark.parametrize("line", ['a","\n', '"a""\n', '"\n'])
def test_a_file_of_stray_quotes_alone_is_not_read_once_a_line(write, monkeypatch, line):
    monkeypatch.setattr(delimited, "MOST_READ_AGAIN", 2**16)
    seen, plain_reader = [], csv.reader

    def noted(lines):
        for one in lines:
            seen.append(len(one))
            yield one

    monkeypatch.setattr(csv, "reader", lambda lines, **options: plain_reader(noted(lines), **options))
    rows, rejects = read(write("user_id,item_id\n" + line * 30_000 + "u,i\n"))
    assert (rows[-1]["user_id"], rejects.bad) == ("u", 30_000)
    assert sum(seen) < 2**20


@pytest.mark.parametrize("header", ["x" * 2**19 + ",item_id", "item_id" + "".join(f",c{n}" for n in range(100_000))])
def test_a_header_without_end_is_told_in_one_short_sentence(write, header):
    with pytest.raises(SourceError, match="has no column 'user_id', only") as told:
        read(write(f"{header}\na,b\n"))
    assert len(str(told.value)) < 3000


def test_a_file_of_bad_lines_ends_before_its_first_block_does(write):
    path = write("user_id,item_id\n" + '"\n' * 30_000)
    with pytest.raises(SourceError, match="1000 of 1000 lines can't be read"):
        read(path, share=0.01)


def test_encodings_with_other_line_ends_and_a_bom(write):
    rows, _ = read(write("user_id,item_id\r\né,i\r\n", encoding="utf-16"), encoding="utf-16")
    assert (rows[0]["user_id"], rows[0]["item_id"]) == ("é", "i")
    assert read(write("\ufeffuser_id,item_id\r\nu,i\r\n"))[0][0]["item_id"] == "i"
    with pytest.raises(SourceError, match="unknown encoding 'utf-99'"):
        read(write("user_id,item_id\nu,i\n"), encoding="utf-99")


def test_nul_characters_and_carriage_returns(write):
    rows, rejects = read(write("user_id,item_id\nu\0,i\nu\rv,i\nw,i\n"))
    assert [row["user_id"] for row in rows] == ["w"]
    assert dict(reasons(rejects)) == {
        2: r"user id has a NUL character: 'u\x00'",
        3: "carriage return outside quotes",
    }


def test_a_line_of_ten_megabytes_is_rejected_in_bounded_memory(write):
    path = write(b"user_id,item_id\nu1,i1\n" + b"x" * 10_000_000 + b",i2\nu3,i3\n" + b'"' + b"y" * 2_000_000)
    tracemalloc.start()
    rows, rejects = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row["user_id"] for row in rows] == ["u1", "u3"]
    assert reasons(rejects) == [(3, lines.TOO_LONG), (5, lines.TOO_LONG)]
    assert peak < 40 * 2**20


def test_a_wrong_file_stops_early(write):
    text = "user_id,item_id\n" + "junk\n" * 500_000
    rejects = Rejects()
    with pytest.raises(SourceError, match="number of fields is not 2"):
        list(read_interactions(source(write(text)), rejects))
    assert rejects.table().num_rows == 10_000


def test_blocks_cut_anywhere_give_the_same(write, monkeypatch):
    text = "user_id,item_id\r\n" + "".join(f'"a\n{n}",{n}\r\nb😀{n},"x""y"\r\n' for n in range(300)) + '"open,\nz,1\n'
    path = write(text)
    whole, rejects = read(path)
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr(lines, "READ_BYTES", size)
        again, others = read(path)
        assert again == whole
        assert reasons(others) == reasons(rejects)


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        (["978300760", "978302109.9"], {}, [978300760, 978302109]),
        (["978300760000", "978302109900", "5000"], {}, [978300760, 978302109, 5]),
        (["2018-01-01", "2018-01-01T00:00:01+01:00", "2018-01-01 00:00:02Z"], {}, [1514764800, 1514761201, 1514764802]),
        (["January 2, 1970"], {"time_format": "%B %d, %Y"}, [86400]),
        (["-1", "1969-12-31 23:59:59"], {}, [-1, -1]),
        (["yesterday", "1e19", "5", "6"], {}, [5, 6]),
    ],
)
def test_timestamps(write, values, options, expected):
    text = "user_id\titem_id\tt\n" + "".join(f"u\ti\t{value}\n" for value in values)
    rows, rejects = read(write(text, "r.tsv"), {"timestamp": "t"}, **options)
    assert [row["timestamp"] for row in rows] == expected
    assert rejects.bad == len(values) - len(expected)


def test_items_keep_the_first_row_their_attributes_and_odd_titles(write, tmp_path):
    path = write('id;name;genre;year;a;b\n1;"{""role"":""system""}";;1999;x;y\n1;again;g;;;\n2;;g;;;z\n', "items.csv")
    options = {
        "path": str(path),
        "separator": ";",
        "columns": {"item": "id", "title": "name", "attributes": ["genre", "year"], "text": ["a", "b"]},
    }
    rejects = Rejects()
    tables = list(read_items(source(tmp_path / "none.csv", items=options, share=0), rejects))
    assert tables[0].schema.equals(TABLES["raw_items"])
    assert tables[0].to_pylist() == [
        {"item_id": "1", "title": '{"role":"system"}', "attributes": [("year", "1999")], "text": "x\ny"},
        {"item_id": "2", "title": None, "attributes": [("genre", "g")], "text": "z"},
    ]
    assert rejects.by_reason == {"duplicate item": 1}
    assert rejects.bad == 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(st.tuples(st.text(), st.text()), min_size=1))
@example(ids=[("a\r", "b"), ("\ufeff", "\x85"), ('"', "\n"), ("\u2028", "\x1c")])
def test_any_text_as_an_id_round_trips_or_is_a_counted_reject(write, ids):
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([("user_id", "item_id"), *ids])
    rows, rejects = read(write(text.getvalue()))
    legal = [pair for pair in ids if all(value.strip() and "\0" not in value for value in pair)]
    assert [(row["user_id"], row["item_id"]) for row in rows] == legal
    assert (rejects.lines, rejects.bad) == (len(ids), len(ids) - len(legal))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary())
def test_any_bytes_give_rows_counted_rejects_or_a_typed_error(write, body):
    path = write(b"user_id,item_id\n" + body)
    rows, rejects = read(path)
    assert len(rows) + rejects.bad == rejects.lines


def test_config_defaults_read_a_plain_file():
    assert InteractionFile(path="x.csv").quoting
