import json
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import SplitFilesSource, TableSource
from hnlm_ray.sources import Rejects, read_items, source_files
from hnlm_ray.sources.ingest import source_identity
from hnlm_ray.sources.rows.more_items import Extra, filled


@pytest.fixture
def first(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item,movie,title,genres,plot\n0,10,Ten,Drama,first\n1,11,,,\n2,,Two,Comedy,\n3,10,,Horror,\n")
    columns = {"item": "item", "title": "title", "attributes": ["genres"], "text": ["plot"]}
    return {"path": str(path), "columns": columns}


def more(path, content, link=None, **columns):
    path.write_text(content)
    return {"path": str(path), "link": link, "columns": columns}


def read(source):
    rejects = Rejects()
    return [row for table in read_items(source, rejects) for row in table.to_pylist()], rejects


def test_what_is_missing_is_filled_and_nothing_is_replaced(tmp_path, first):
    further = more(
        tmp_path / "more.csv",
        "movie_id,title,genres,year,summary\n10,Another,War,1990,second\n11,Eleven,Crime,1991,only\n99,None,War,1,x\n",
        link="movie",
        item="movie_id",
        attributes=["genres", "year"],
        text=["summary"],
    )
    rows, rejects = read(TableSource(format="table", interactions={"path": "-"}, items=first, more_items=[further]))
    assert rows == [
        {
            "item_id": "0",
            "title": "Ten",
            "attributes": [("genres", "Drama"), ("year", "1990")],
            "text": "first\nsecond",
        },
        {"item_id": "1", "title": "Eleven", "attributes": [("genres", "Crime"), ("year", "1991")], "text": "only"},
        {"item_id": "2", "title": "Two", "attributes": [("genres", "Comedy")], "text": None},
        {"item_id": "3", "title": "Another", "attributes": [("genres", "Horror"), ("year", "1990")], "text": "second"},
    ]
    assert (rejects.bad, rejects.by_reason) == (0, {"names no item of the first file": 1})


def test_the_first_further_file_counts_and_ids_need_no_link(tmp_path, first):
    (tmp_path / "b.jsonl").write_text(json.dumps({"id": 1, "name": "Later", "tags": ["x", "y"], "d": "late"}))
    files = [
        more(tmp_path / "a.csv", "item,title,d\n1,Sooner,soon\n1,Twice,\n,Empty,\n", item="item", text=["d"]),
        {"path": str(tmp_path / "b.jsonl"), "columns": {"item": "id", "title": "name", "attributes": ["tags"]}},
        more(tmp_path / "c.csv", "item,d\n1,soon\n1,never\n", item="item", title=None, text=["d"]),
    ]
    source = TableSource(format="table", interactions={"path": "-"}, items=first, more_items=files, max_bad_share=0.5)
    rows, rejects = read(source)
    assert rows[1] == {"item_id": "1", "title": "Sooner", "attributes": [("tags", "x, y")], "text": "soon"}
    assert rejects.by_reason == {"duplicate item": 2, "item id is empty": 1}


def test_split_files_take_further_files_too(tmp_path, first):
    (tmp_path / "train.txt").write_text("0 0 1\n")
    (tmp_path / "test.txt").write_text("0 2\n")
    further = more(
        tmp_path / "m.csv", "movie_id,summary\n11,added\n", "movie", item="movie_id", title=None, text=["summary"]
    )
    source = SplitFilesSource(format="ngcf", path=str(tmp_path), items=first, more_items=[further])
    assert [row["text"] for row in read(source)[0]] == ["first", "added", None, None]
    assert [file.name.rsplit("/", 1)[1] for file in source_files(source)] == [
        "train.txt",
        "test.txt",
        "items.csv",
        "m.csv",
    ]
    (tmp_path / "m.csv").unlink()
    with pytest.raises(SourceError, match=r"there is no file .*m.csv"):
        read(source)


def test_a_link_that_the_first_file_lacks_is_named(tmp_path, first):
    further = more(tmp_path / "m.csv", "movie_id,summary\n11,x\n", "film", item="movie_id", title=None)
    with pytest.raises(SourceError, match="no column 'film'"):
        read(TableSource(format="table", interactions={"path": "-"}, items=first, more_items=[further]))


def test_further_files_need_a_first():
    with pytest.raises(ValidationError, match="more_items needs items"):
        TableSource(format="table", interactions={"path": "-"}, more_items=[{"path": "x"}])


def test_a_text_that_is_there_already_is_not_added_again():
    extra = Extra()
    extra.add("t", [("a", "1")], "same")
    extra.add("u", [("a", "2"), ("b", "3")], "other")
    row = {"item_id": "1", "title": None, "attributes": [("b", "own")], "text": "same"}
    assert filled(row, extra) == {
        "item_id": "1",
        "title": "t",
        "attributes": [("b", "own"), ("a", "1")],
        "text": "same\nother",
    }


def test_a_further_file_may_move_and_counts_by_its_content(tmp_path, first):
    (tmp_path / "train.txt").write_text("0 0 1\n")
    (tmp_path / "test.txt").write_text("0 2\n")

    def identity(folder, content):
        (tmp_path / folder).mkdir(exist_ok=True)
        further = more(tmp_path / folder / "m.csv", content, "movie", item="movie_id", title=None, text=["summary"])
        source = SplitFilesSource(format="ngcf", path=str(tmp_path), items=first, more_items=[further])
        return source_identity(SimpleNamespace(source=source))

    assert identity("a", "movie_id,summary\n11,x\n") == identity("b", "movie_id,summary\n11,x\n")
    assert identity("a", "movie_id,summary\n11,y\n") != identity("b", "movie_id,summary\n11,x\n")
