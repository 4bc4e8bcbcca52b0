"""Whole sets of files, as people have them, are understood."""

import gzip
import json
import random
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.discover.files.sample import Overrides
from hnlm_ray.discover.understanding import understand

META_2023 = '{"parent_asin": "B", "title": "t"}'


def never(question):
    raise AssertionError(question)


def pairs(count=600, users=60, items=30, seed=1):
    draw = random.Random(seed)
    return [(draw.randrange(users), draw.randrange(items), draw.randrange(1, 6)) for _ in range(count)]


def write(path, lines, encoding="utf-8"):
    path.write_text("".join(f"{line}\n" for line in lines), encoding=encoding)
    return str(path)


def found(*paths, ask=never, **wanted):
    return understand([str(path) for path in paths], Overrides(**wanted), ask)


def test_ratings_and_items_of_a_zip_are_linked_by_the_values_of_their_ids(tmp_path):
    ratings = "\n".join(
        ["RatingID,UserID,WineID,Rating"] + [f"{n},{u + 900},{i},{r}" for n, (u, i, r) in enumerate(pairs())]
    )
    wines = "\n".join(
        ["WineID,WineName,Type,Website"] + [f"{i},Wine no {i},red {i % 3},http://w/{i}" for i in range(30)]
    )
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("ratings.csv", ratings)
        archive.writestr("wines.csv", wines)
    source = found(tmp_path / "all.zip").source
    assert source["interactions"]["member"] == "ratings.csv"
    assert source["interactions"]["columns"] == {"user": "UserID", "item": "WineID", "rating": "Rating"}
    assert source["items"]["columns"] == {"item": "WineID", "title": "WineName", "attributes": ["Type"]}


def test_a_german_export_is_read_with_its_dates_and_encoding(tmp_path):
    lines = ["Kunde;Artikel;Sterne;Datum", *(f"K{u};Käse {i};{r};{u % 27 + 1:02}.0{r}.2019" for u, i, r in pairs())]
    source = found(write(tmp_path / "k.csv", lines, "latin-1")).source
    assert source["interactions"]["encoding"] == "latin-1"
    assert source["interactions"]["time_format"] == "%d.%m.%Y"
    assert source["interactions"]["columns"] == {
        "user": "Kunde", "item": "Artikel", "rating": "Sterne", "timestamp": "Datum"
    }  # fmt: skip


def test_an_event_log_in_json_lines_has_no_rating(tmp_path):
    with gzip.open(tmp_path / "log.jsonl.gz", "wt") as stream:
        for user, item, day in pairs():
            event = {
                "visitor": f"v{user}",
                "place": item,
                "when": f"2020-0{day}-11T10:00:00",
                "client": {"os": [1, {}]},
            }
            stream.write(json.dumps(event) + "\n")
    answer = found(tmp_path / "log.jsonl.gz")
    assert answer.source["interactions"]["columns"] == {"user": "visitor", "item": "place", "timestamp": "when"}
    assert answer.min_rating is None


def test_parquet_with_times_of_its_own_needs_no_format(tmp_path):
    users, items, days = zip(*pairs(), strict=True)
    times = pa.array([1_600_000_000_000_000 + 10**9 * day for day in days], pa.timestamp("us"))
    pq.write_table(pa.table({"uid": users, "song": items, "played_at": times}), tmp_path / "plays.parquet")
    source = found(tmp_path / "plays.parquet").source
    assert source["interactions"]["columns"] == {"user": "uid", "item": "song", "timestamp": "played_at"}
    assert "time_format" not in source["interactions"]


def test_files_of_the_same_columns_are_read_as_one_and_reviews_are_found(tmp_path):
    lines = ["user_id,item_id,comment"] + [
        f"{u},{i},I think that {u} of {i} was really {r} fine" for u, i, r in pairs()
    ]
    paths = [write(tmp_path / f"part_{n}.csv", [lines[0], *lines[1 + n :: 2]]) for n in (0, 1)]
    source = found(*paths).source
    assert source["interactions"]["path"] == f"{tmp_path}/part_*.csv"
    assert source["interactions"]["columns"]["review"] == ["comment"]


def test_a_split_gets_titles_and_texts_by_way_of_another_column(tmp_path):
    for name in ("train", "test"):
        write(tmp_path / f"{name}.txt", [" ".join(map(str, [u, *range(u % 7 + 1)])) for u in range(40)])
    write(tmp_path / "item_map.csv", ["item,movie_id,title", *(f"{i},{100 - i},Movie {i}" for i in range(20))])
    texts = [f"{m},a quiet story of number {m} that goes on for rather more than twelve words" for m in range(1, 101)]
    write(tmp_path / "plots.csv", ["movie_id,summary", *texts])
    answer = found(tmp_path)
    assert (answer.source["format"], answer.given) == ("ngcf", True)
    assert answer.source["items"]["columns"] == {"item": "item", "title": "title"}
    (more,) = answer.source["more_items"]
    assert (more["link"], more["columns"]["item"], more["columns"]["text"]) == ("movie_id", "movie_id", ["summary"])


def test_items_are_described_by_the_interactions_where_no_other_file_does(tmp_path):
    lines = ["CustomerID,StockCode,Description,Quantity", *(f"{u},{8000 + i},RED MUG {i},{r}" for u, i, r in pairs())]
    source = found(write(tmp_path / "retail.csv", lines)).source
    assert source["items"]["columns"] == {"item": "StockCode", "title": "Description"}


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        ({"ratings.dat": "1::2::5::978300760", "movies.dat": "2::Jumanji (1995)::Adventure"}, "movielens_1m"),
        ({"u.data": "1\t2\t5\t978300760", "u.item": "2|x"}, "movielens_100k"),
        ({"yelp_academic_dataset_review.json": "{}", "yelp_academic_dataset_business.json": "{}"}, "yelp"),
        ({"reviews.json": '{"reviewerID": "A1", "asin": "B1", "overall": 5, "helpful": [0, 0]}'}, "amazon_2014"),
        ({"T.json": '{"reviewerID": "A1", "asin": "B1", "overall": 5, "verified": true}'}, "amazon_2018"),
        ({"T.jsonl": '{"user_id": "A", "parent_asin": "B", "rating": 5}', "meta_T.jsonl": META_2023}, "amazon_2023"),
        ({"ratings_T.csv": "A1BCDEFGHIJKL,B000000001,5.0,1300000000"}, "amazon_2014"),
        ({"T.csv": "B000000001,A1BCDEFGHIJKL,5.0,1300000000"}, "amazon_2018"),
    ],
)  # fmt: skip
def test_publishers_layouts_are_known(tmp_path, files, layout):
    for name, line in files.items():
        write(tmp_path / name, [line] * 3)
    source = found(tmp_path).source
    assert source["format"] == layout
    assert ("metadata" in source) == any(name.startswith("meta_") for name in files)


def test_what_can_be_read_in_two_ways_is_asked_and_the_answer_is_followed(tmp_path):
    path = write(tmp_path / "x.tsv", [f"u{u}\ti{i}\t0{r}/0{r % 4 + 1}/2020" for u, i, r in pairs()])
    asked = []

    def last(question):
        asked.append(question.option)
        return len(question.choices) - 1

    columns = found(path, ask=last).source["interactions"]
    assert asked == ["--user and --item", "--time-format"]
    assert columns["columns"] == {"user": "column_2", "item": "column_1", "timestamp": "column_3"}
    assert columns["time_format"] == "%m/%d/%Y"
    told = found(path, user="column_1", item="column_2", time_format="%d/%m/%Y").source["interactions"]
    assert (told["columns"]["user"], told["time_format"]) == ("column_1", "%d/%m/%Y")


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "is an image"),
        ("a.csv", bytes(range(256)) * 50, "is no text"),
        ("a.csv", b"x" * 3_000_000, "longer than 1 MiB"),
        ("a.json", b'[{"user": 1}, {"user": 2}]', "is one JSON document"),
        ("a.tsv.gz", gzip.compress(b"a\tb\n" * 99_999)[:200], "is damaged"),
        ("a.zip", b"PK\x03\x04 no zip", "can't be read as zip"),
        ("a.csv", b"id,title\n" + b"".join(b"%d,Movie %d\n" % (n, n) for n in range(99)), "no file holds interactions"),
        ("a.jsonl", b'{"user": 1, "item": 2}\n' + b'{"a":' * 9000 + b"\n", "no file holds interactions"),
    ],
)  # fmt: skip
def test_what_can_not_be_used_is_one_sentence(tmp_path, name, data, told):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=told) as error:
        found(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_missing_file_an_empty_folder_and_an_unknown_column_are_one_sentence(tmp_path):
    path = write(tmp_path / "r.csv", ["user,item", *(f"{u},{i}" for u, i, _ in pairs())])
    (tmp_path / "empty").mkdir()
    for call, told in (
        (lambda: found(tmp_path / "no.csv"), "there is no file"),
        (lambda: found(tmp_path / "empty"), "holds no file"),
        (lambda: found(path, user="usr"), "did you mean 'user'"),
        (lambda: found(path, time="item"), "are no times"),
    ):
        with pytest.raises(InputError, match=told):
            call()
