"""Reviews and ratings that are words, in any table."""

import pyarrow as pa
import pytest
from pyarrow import parquet
from pydantic import ValidationError

from hnlm_ray.config import TableSource
from hnlm_ray.sources import Rejects, read_interactions


def read(path, columns, share=1.0, chars=1000, **options):
    file = {"path": str(path), "columns": columns, **options}
    rejects = Rejects()
    source = TableSource(format="table", interactions=file, max_bad_share=share, review_chars=chars)
    return [row for table in read_interactions(source, rejects) for row in table.to_pylist()], rejects


REVIEWED = {"user": "u", "item": "i", "review": ["head", "body"]}


@pytest.fixture
def reviewed(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(
        'u,i,head,body\na,1,Good,"Two\nlines"\nb,1,,Body alone\nc,1,Head alone,  \nd,1,,\n'
        "e,1,ünïcode😀,x\nf,1,nul,a\0b\n",
        encoding="utf-8",
    )
    return path


def test_the_parts_of_a_review_are_joined(reviewed):
    rows, rejects = read(reviewed, REVIEWED)
    assert [row["review"] for row in rows] == [
        "Good\nTwo\nlines",
        "Body alone",
        "Head alone",
        None,
        "ünïcode😀\nx",
        None,
    ]
    assert (rejects.bad, rejects.by_reason) == (0, {"review has a NUL character": 1})
    assert rejects.table().to_pylist()[0]["line"] == 8


def test_a_review_is_cut_in_characters_and_what_is_cut_off_spoils_nothing(reviewed):
    rows, rejects = read(reviewed, REVIEWED, chars=5)
    assert [row["review"] for row in rows] == ["Good\n", "Body ", "Head ", None, "ünïco", "nul\na"]
    assert not rejects.by_reason


def test_no_reviews_are_read_when_none_are_kept(tmp_path):
    (tmp_path / "r.csv").write_text("u,i\na,1\n")
    rows, _ = read(tmp_path / "r.csv", REVIEWED, chars=0)  # not even a missing column matters
    assert rows[0]["review"] is None


def test_a_bad_row_with_a_spoilt_review_counts_once(tmp_path):
    (tmp_path / "r.csv").write_text("u,i,head,body\n,1,a\0b,x\n")
    _, rejects = read(tmp_path / "r.csv", REVIEWED)
    assert rejects.by_reason == {"user id is empty": 1}


WORDS = {"user": "u", "item": "i", "rating": "r"}
NUMBERS = {"fresh": 1, "rotten": 0}


def test_ratings_that_are_words(tmp_path):
    (tmp_path / "r.csv").write_text("u,i,r\na,1,fresh\nb,1, rotten \nc,1,\nd,1,Fresh\ne,1,4\n")
    rows, rejects = read(tmp_path / "r.csv", WORDS, rating_values=NUMBERS)
    assert [(row["user_id"], row["rating"]) for row in rows] == [("a", 1.0), ("b", 0.0), ("c", None)]
    assert [row["reason"] for row in rejects.table().to_pylist()] == [
        "rating is not one of rating_values: 'Fresh'",
        "rating is not one of rating_values: '4'",
    ]


def test_ratings_that_are_words_in_json_and_parquet(tmp_path):
    (tmp_path / "r.jsonl").write_text('{"u": 1, "i": 2, "r": "fresh"}\n{"u": 1, "i": 2, "r": null}\n')
    parquet.write_table(pa.table({"u": ["1", "1"], "i": ["2", "2"], "r": [7, None]}), tmp_path / "r.parquet")
    assert [row["rating"] for row in read(tmp_path / "r.jsonl", WORDS, rating_values=NUMBERS)[0]] == [1.0, None]
    assert [row["rating"] for row in read(tmp_path / "r.parquet", WORDS, rating_values={"7": 3})[0]] == [3.0, None]


def test_words_need_a_column_of_ratings():
    with pytest.raises(ValidationError, match=r"rating_values needs columns.rating"):
        TableSource(format="table", interactions={"path": "x", "rating_values": NUMBERS})


def test_json_nested_without_end_is_a_bad_line_and_the_others_stay(tmp_path):
    deep = "[" * 900 + '"x"' + "]" * 900
    lines = [f'{{"u": "a", "i": "1", "head": {deep}}}', '{"u": "b", "i": "1", "head": ["x", ["y"]]}']
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    rows, rejects = read(tmp_path / "r.jsonl", {"user": "u", "item": "i", "review": ["head"]})
    assert [(row["user_id"], row["review"]) for row in rows] == [("b", "x, y")]
    assert rejects.by_reason == {"lists are nested too deep": 1}
