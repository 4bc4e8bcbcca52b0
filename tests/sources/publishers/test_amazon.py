import gzip
import json
from types import SimpleNamespace

import pytest

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import AmazonSource
from hnlm_ray.sources import Rejects, read_interactions, read_items, source_files
from hnlm_ray.sources.ingest import source_identity

USERS = ["A2IBPI20UZIR0U", "A14VAT5EAX3D9S"]
ITEMS = ["1384719342", "B00004Y2UT"]
EDITIONS = ["amazon_2014", "amazon_2018", "amazon_2023"]


def read(reader, edition, share=0.0, **paths):
    rejects = Rejects()
    source = AmazonSource(format=edition, max_bad_share=share, **{"reviews": "-", **paths})
    return [row for table in reader(source, rejects) for row in table.to_pylist()], rejects


def reviews_of(edition, path, **options):
    return read(read_interactions, edition, reviews=path, **options)


def products_of(edition, path, **options):
    return read(read_items, edition, metadata=path, **options)


def reasons(rejects):
    return {row["line"]: row["reason"] for row in rejects.table().to_pylist()}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("edition", EDITIONS)
def test_reviews_of_every_edition_give_the_same_rows(tmp_path, lines, edition, packed):
    name = "reviews.jsonl" if edition == "amazon_2023" else "reviews.json"
    make = lines.review[edition]
    found = [make(USERS[0], ITEMS[0], 4.0, "2016-05-01"), make(USERS[1], ITEMS[1], 1.0, "2017-12-31")]
    path = lines.write(tmp_path / (name + ".gz" * packed), found, packed=packed)
    rows, rejects = reviews_of(edition, path)
    assert rows == [
        {
            "user_id": user,
            "item_id": item,
            "rating": rating,
            "timestamp": lines.seconds(day),
            "source_split": None,
            "review": "good\nDoes exactly what it says.",
        }
        for user, item, rating, day in zip(USERS, ITEMS, (4.0, 1.0), ("2016-05-01", "2017-12-31"), strict=True)
    ]
    assert (rejects.lines, rejects.bad) == (2, 0)


RATINGS = {
    "amazon_2014": f"{USERS[0]},{ITEMS[0]},5.0,1393545600\n{USERS[1]},{ITEMS[1]},1.0,1363392000\n",
    "amazon_2018": f"{ITEMS[0]},{USERS[0]},5.0,1393545600\n{ITEMS[1]},{USERS[1]},1.0,1363392000\n",
    "amazon_2023": "user_id,parent_asin,rating,timestamp\n"
    f"{USERS[0]},{ITEMS[0]},5.0,1393545600123\n{USERS[1]},{ITEMS[1]},1.0,1363392000456\n",
}


@pytest.mark.parametrize("edition", EDITIONS)
def test_ratings_only_files_have_the_order_of_their_edition(tmp_path, edition):
    path = tmp_path / "ratings_Musical_Instruments.csv"
    path.write_text(RATINGS[edition])
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    for name in (path, tmp_path / "packed.csv.gz"):
        rows, _ = reviews_of(edition, str(name))
        assert [(row["user_id"], row["item_id"], row["rating"], row["timestamp"]) for row in rows] == [
            (USERS[0], ITEMS[0], 5.0, 1393545600),
            (USERS[1], ITEMS[1], 1.0, 1363392000),
        ]


def test_ratings_of_2023_with_more_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"user_id,asin,parent_asin,rating,timestamp,history\n{USERS[0]},x,{ITEMS[0]},5.0,1393545600123,\n")
    ((row,), _) = reviews_of("amazon_2023", str(path))
    assert (row["item_id"], row["timestamp"]) == (ITEMS[0], 1393545600)


@pytest.mark.parametrize("wanted", EDITIONS)
@pytest.mark.parametrize("given", EDITIONS)
def test_files_of_another_edition_name_it(tmp_path, lines, wanted, given):
    reviews = lines.write(tmp_path / "r.json", [lines.review[given](USERS[0], ITEMS[0])])
    products = lines.write(tmp_path / "m.json", [lines.product[given](ITEMS[0])])
    (tmp_path / "r.csv").write_text(RATINGS[given])
    calls = [(reviews_of, reviews), (products_of, products), (reviews_of, str(tmp_path / "r.csv"))]
    for reader, path in calls:
        if wanted == given:
            assert reader(wanted, path)[0]
        else:
            with pytest.raises(
                SourceError, match=rf"it looks like {given}, not {wanted}; correct source.format"
            ) as told:
                reader(wanted, path)
            assert "has no " in str(told.value) or "has products in column" in str(told.value) or ".csv" in path


def test_a_missing_key_is_named(tmp_path, lines):
    review = lines.review["amazon_2018"](USERS[0], ITEMS[0])
    del review["overall"]
    with pytest.raises(SourceError, match="no column 'overall'"):
        reviews_of("amazon_2018", lines.write(tmp_path / "r.json", [review]))


def test_reviews_without_texts_or_with_markup(tmp_path, lines):
    make = lines.review["amazon_2018"]
    bare = make("u1", "i1")
    del bare["summary"], bare["reviewText"]
    marked = make("u2", "i1", summary="5 &#34;Stars&#34;", reviewText="Fine.<br />I <3 it &amp; more")
    blank = make("u3", "i1", summary="<br/>", reviewText=None)
    rows, _ = reviews_of("amazon_2018", lines.write(tmp_path / "r.json", [bare, marked, blank]))
    assert [row["review"] for row in rows] == [None, '5 "Stars"\nFine. I <3 it & more', None]
    rows, _ = reviews_of("amazon_2018", lines.write(tmp_path / "bare.json", [bare]))
    assert rows[0]["review"] is None


def test_bad_reviews_are_counted_and_a_spoilt_text_does_not_lose_the_rating(tmp_path, lines):
    make = lines.review["amazon_2023"]
    found = [
        make("u1", "i1"),
        make("u2", "i1", text="a\0b"),
        make("u3", "i1", rating="many"),
        make("u4", None),
        '{"user_id": "u5", "parent_asin"',
        make("u6", "i1", timestamp="soon"),
        make("u7", "i1", text="<b>\ud83d</b>"),
        make("u8", ["i1"]),
        "__import__('os').system('true')",
    ]
    rows, rejects = reviews_of("amazon_2023", lines.write(tmp_path / "r.jsonl", found), share=1.0)
    assert [(row["user_id"], row["review"] is None) for row in rows] == [("u1", False), ("u2", True)]
    assert sorted(reasons(rejects)) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert reasons(rejects)[2] == "review has a NUL character: 'i1'"
    assert (rejects.lines, rejects.bad) == (9, 7)


def test_no_review_is_read_when_none_is_kept(tmp_path, lines):
    path = lines.write(tmp_path / "r.json", [lines.review["amazon_2014"]("u", "i", reviewText="\0" * 9)])
    source = AmazonSource(format="amazon_2014", reviews=path, review_chars=0)
    rejects = Rejects()
    assert next(read_interactions(source, rejects))["review"].to_pylist() == [None]
    assert not rejects.by_reason


def test_products_are_optional_and_files_are_all_named(tmp_path, lines):
    reviews = lines.write(tmp_path / "r.json", [lines.review["amazon_2018"]("u", "i")])
    assert read(read_items, "amazon_2018", reviews=reviews)[0] == []
    source = AmazonSource(format="amazon_2018", reviews=reviews, metadata=str(tmp_path / "none.json"))
    with pytest.raises(SourceError, match=r"there is no file .*none.json"):
        source_files(source)
    found = source_files(AmazonSource(format="amazon_2018", reviews=reviews))
    assert [file.name for file in found] == [reviews]


def test_an_empty_file_is_an_error(tmp_path):
    (tmp_path / "r.json").write_text("")
    with pytest.raises(SourceError, match="is empty"):
        reviews_of("amazon_2018", str(tmp_path / "r.json"))


def test_several_files_read_as_one(tmp_path, lines):
    for name in ("a", "b"):
        lines.write(tmp_path / f"{name}.json", [lines.review["amazon_2018"](name, "i")])
        lines.write(tmp_path / f"meta_{name}.json", [json.dumps(lines.product["amazon_2018"]("i"))])
    assert [row["user_id"] for row in reviews_of("amazon_2018", f"{tmp_path}/[ab].json")[0]] == ["a", "b"]
    rows, rejects = products_of("amazon_2018", f"{tmp_path}/meta_*.json")
    assert len(rows) == 1
    assert rejects.by_reason == {"duplicate item": 1}


def test_files_may_move_without_being_read_again(tmp_path, lines):
    known = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        reviews = lines.write(folder / "r.json", [lines.review["amazon_2018"]("u", "i")])
        metadata = lines.write(folder / "m.json", [lines.product["amazon_2018"]("i")])
        source = AmazonSource(format="amazon_2018", reviews=reviews, metadata=metadata)
        known.append(source_identity(SimpleNamespace(source=source)))
    assert known[0] == known[1]
    shorter = source.model_copy(update={"review_chars": 10})
    assert source_identity(SimpleNamespace(source=shorter)) != known[1]
