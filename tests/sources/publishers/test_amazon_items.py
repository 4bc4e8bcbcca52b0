import time

import pytest

from hnlm_ray.config import AmazonSource
from hnlm_ray.sources import Rejects, read_items
from hnlm_ray.sources.publishers.amazon import price, product

EDITIONS = ["amazon_2014", "amazon_2018", "amazon_2023"]


def products_of(edition, path, share=0.0):
    rejects = Rejects()
    source = AmazonSource(format=edition, max_bad_share=share, reviews="-", metadata=path)
    return [row for table in read_items(source, rejects) for row in table.to_pylist()], rejects


def reasons(rejects):
    return {row["line"]: row["reason"] for row in rejects.table().to_pylist()}


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
        "{'asin': 'B15', 'price': 9.5, 'title': b'x'}",
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
        make("B4", title="<b>a\0b"),
        make("B5", description=["x" * 900_000], feature=["never reached"]),
        make("B6", title=["A list"], brand=7, category={"a": 1}, description=[["nested", ["deeper", ["too deep"]]]]),
        make("B7", title="<b>\ud83d</b>"),
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
    found = reasons(rejects)
    assert found.pop(7).startswith("escape gives half a character")
    assert found == {1: "title is a script: 'B1'", 4: "title has a NUL character: '<b>a\\x00b'"}


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
