import gzip
import json
import time
from types import SimpleNamespace

import pytest

from hnlm_ray.config import AmazonSource
from hnlm_ray.errors import SourceError
from hnlm_ray.sources import Rejects, read_interactions, read_items, source_files
from hnlm_ray.sources.amazon_items import price, product
from hnlm_ray.sources.ingest import source_identity
from hnlm_ray.sources.markup import plain_markup

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
        make("u7", "i1", text="\ud83d"),
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


PRODUCTS = {
    "amazon_2014": {
        "item_id": "B1",
        "title": "Pop Filter",
        "attributes": [
            ("brand", "Nady"),
            ("category", "Musical Instruments, Accessories, Microphones"),
            ("price", "14.95"),
        ],
        "text": "A pop filter.",
    },
    "amazon_2018": {
        "item_id": "B1",
        "title": "Puzzle & Frame",
        "attributes": [("brand", "Ravensburger"), ("category", "Toys & Games, Puzzles"), ("price", "12.30")],
        "text": "A big puzzle.\nFor two & more.\n1000 pieces\nNo glue",
    },
    "amazon_2023": {
        "item_id": "B1",
        "title": "USB Cable",
        "attributes": [("brand", "Anker"), ("category", "Electronics, Cables"), ("price", "14.99")],
        "text": "Charges fast. Lasts.\nBraided\n2 m",
    },
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("edition", EDITIONS)
def test_products_of_every_edition_have_the_same_spelling(tmp_path, lines, edition, packed):
    made = lines.product[edition]("B1")
    text = repr(made) if edition == "amazon_2014" else made  # 2014: Python's literals
    path = lines.write(tmp_path / f"meta.json{'.gz' * packed}", [text, text], packed=packed)
    rows, rejects = products_of(edition, path)
    assert rows == [PRODUCTS[edition]]
    assert (rejects.bad, rejects.by_reason) == (0, {"duplicate item": 1})


def test_products_of_2014_are_literals_or_json_and_nothing_is_evaluated(tmp_path, lines):
    make = lines.product["amazon_2014"]
    found = [
        repr(make("B1", title='Ludwig\'s "Drum"', description="it's 10\" wide \\ deep")),
        make("B2"),
        "{'asin': 'B3', 'title': __import__('os').getcwd()}",
        "{'asin': 'B4', 'title': " + "[" * 100_000 + "}",
        "{'asin': 'B5', 'title': 'a'" + "[0]" * 100_000 + "}",
        "{'asin': 'B6', 'price': 1 " + "-1 " * 100_000 + "}",
        "{'asin': 'B7', 'title': 'cut",
        "{'asin': 'B8', 'title': 'a\\x00b'}",
        "{'asin': 'B9', 'title': 'half \\ud83d'}",
        "{'asin': 'B10', 'price': " + "9" * 5000 + "}",
        "{'asin': 'B11', 'description': '" + "<a " * 300_000 + "'}",
        "{'asin': ['B12']}",
        "{'asin': 'B13', 'categories': " + "[" * 15 + "'deep'" + "]" * 15 + "}",
        "['asin', 'B14']",
        "{'asin': 'B15', 'price': 9.5, 'title': u'x'}",
        "{'asin': 'B16', 'description': '" + "d" * 2**20 + "'}",
    ]
    started = time.monotonic()
    rows, rejects = products_of("amazon_2014", lines.write(tmp_path / "meta.json.gz", found, packed=True), share=1.0)
    assert time.monotonic() - started < 30
    assert [row["item_id"] for row in rows] == ["B1", "B2", "B11", "B13"]
    assert (rows[0]["title"], rows[0]["text"]) == ('Ludwig\'s "Drum"', "it's 10\" wide \\ deep")
    assert len(rows[2]["text"]) == 5000
    assert rows[3]["attributes"] == []
    assert sorted(reasons(rejects)) == [3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 15, 16]
    assert reasons(rejects)[3].startswith("line is not JSON")


def test_a_product_s_odd_values(tmp_path, lines):
    make = lines.product["amazon_2018"]
    script = "var aPageStart = (new Date()).getTime();\nvar ue_t0=window.ue_t0||+new Date();"
    found = [
        make("B1", title=script),
        make("B2", title="", brand=None, category=[], description="<p>One text</p>", feature=None, price=".a-box{}"),
        make("B3", title="\u0001 Ctrl\u0007 \u200b", main_cat="Toys", category=None, description=[], feature=[]),
        make("B4", title="a\0b"),
        make("B5", description=["x" * 900_000], feature=["never reached"]),
        make("B6", title=["A list"], brand=7, category={"a": 1}, description=[["nested", ["deeper", ["too deep"]]]]),
    ]
    rows, rejects = products_of("amazon_2018", lines.write(tmp_path / "meta.json", found), share=1.0)
    by_id = {row["item_id"]: row for row in rows}
    assert by_id["B1"]["title"] is None
    assert dict(by_id["B1"]["attributes"])["brand"] == "Ravensburger"
    assert (by_id["B2"]["title"], by_id["B2"]["attributes"], by_id["B2"]["text"]) == (None, [], "One text")
    assert (by_id["B3"]["title"], by_id["B3"]["text"]) == ("Ctrl \u200b", None)
    assert dict(by_id["B3"]["attributes"])["category"] == "Toys"
    assert len(by_id["B5"]["text"]) == 5000
    assert (by_id["B6"]["title"], by_id["B6"]["text"]) == ("A list", "nested\ndeeper\n1000 pieces\nNo glue")
    assert reasons(rejects) == {1: "title is a script: 'B1'", 4: "title has a NUL character: 'a\\x00b'"}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (14.99, "14.99"),
        (3, "3.00"),
        ("$12.3", "12.30"),
        ("14.95", "14.95"),
        ("$1,234.50", "1234.50"),
        ("$12.34 - $56.78", "12.34"),
        ("from 14.99", "14.99"),
        ("None", None),
        (None, None),
        ("", None),
        ("—", None),
        ("$", None),
        (-1.0, None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        (1e300, None),
        (["$1"], None),
        ("9" * 5000, None),
        ('.a-box-inner{background-color:#fff}#x .selected{font: 12.5px "$12.30"}', None),
    ],
)
def test_a_price_is_a_plain_number_or_absent(value, written):
    assert price(value) == written


@pytest.mark.parametrize(
    ("details", "brand"), [({"Brand": "Own"}, "Own"), ('{"Brand": "Own"}', "Own"), ("[[[[", None), (7, None)]
)
def test_a_product_of_2023_without_a_store_takes_the_brand_of_its_details(lines, details, brand):
    made = lines.product["amazon_2023"]("B1", store=None, details=details)
    assert product(made, "parent_asin")["brand"] == brand


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        ("<b>Toys &amp;amp; Games</b><br />x", "Toys & Games x"),
        ("I <3 you & 2 < 3 > 1, a<b", "I <3 you & 2 < 3 > 1, a<b"),
        ("<script>var a = '<b>';</script><style>p {}</style>shown", "shown"),
        ("&lt;i&gt;twice&lt;/i&gt;", "twice"),
        ("<!-- remark --> y <?php z ?>", "y"),
        ("a\tb\n\nc &nbsp; d", "a b c d"),
        ("cut off <br", "cut off <br"),
    ],
)
def test_markup_reads_as_a_page_shows_it(markup, plain):
    assert plain_markup(markup, 1000) == plain


@pytest.mark.parametrize("bomb", ["<!--", "<", "<a ", "<a b='", "<![", "<script>", "</", "&#x", "<a ' \">", "&"])
def test_no_markup_is_expensive(bomb):
    started = time.monotonic()
    assert len(plain_markup(bomb * 300_000, 5000)) <= 5000
    assert time.monotonic() - started < 5


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
