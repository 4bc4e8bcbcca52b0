"""A small valid source of every format: its options (``{folder}`` stands for the folder) and its files."""

import json

from hnlm_ray.sources.publishers.movielens import GENRES


def _lines(*objects):
    return "".join(f"{json.dumps(found)}\n" for found in objects).encode()


_REVIEW_2014 = {"reviewerID": "A2IBPI", "asin": "1384719342", "helpful": [0, 0], "reviewText": "Does\nwhat it says.",
                "overall": 5.0, "summary": "good", "unixReviewTime": 1393545600}  # fmt: skip
_REVIEW_2018 = {"overall": 4.0, "vote": "2", "verified": True, "reviewerID": "A14VAT", "asin": "B00004Y2UT",
                "style": {"Size:": " Large"}, "reviewText": "<b>Fine</b> &amp; good", "summary": "ok",
                "unixReviewTime": 1462060800}  # fmt: skip
_REVIEW_2023 = {"rating": 3.0, "title": "good", "text": "Does.", "asin": "B0VARIANT1", "parent_asin": "B00004Y2UT",
                "user_id": "AG2", "timestamp": 1462060800452, "verified_purchase": True}  # fmt: skip
_PRODUCT_2018 = {"category": ["Toys &amp; Games", "</span>"], "description": ["A <b>big</b> puzzle.", ""], "title": "P",
                 "also_buy": ["B1"], "brand": "by\n  R", "main_cat": "<img alt='T'/>", "price": "$12.30",
                 "asin": "B00004Y2UT", "feature": ["1000 pieces"]}  # fmt: skip
_PRODUCT_2023 = {"main_category": "All", "title": "USB", "features": ["2 m"], "description": ["Fast.<br />"],
                 "price": 14.99, "store": "Anker", "categories": ["E", "C"], "details": {"Brand": "Anker"},
                 "parent_asin": "B00004Y2UT"}  # fmt: skip
_PRODUCT_2014 = (
    b"{'asin': '1384719342', 'description': \"A 'pop' filter.\", 'title': 'Pop', 'price': 14.95, 'imUrl': 'http://x', "
    b"'salesRank': {'Music': 19905}, 'categories': [['Music', 'Mics'], ['Music', None]], 'brand': 'Nady'}\n"
    b"{'asin': 'B00004Y2UT', 'related': {'also_bought': []}, 'title': 'Caf\\xe9'}\n"
)
_YELP_REVIEW = {"review_id": "l", "user_id": "u", "business_id": "b", "stars": 5.0, "text": "Great.\n\nYes.",
                "date": "2016-03-09 00:56:38"}  # fmt: skip
_YELP_BUSINESS = {"business_id": "b", "name": "St", "city": "P", "state": "PA", "categories": "Food, Tea",
                  "attributes": {"a": "False"}, "hours": None}  # fmt: skip
_RATED = {"user": "u", "item": "i", "rating": "r", "timestamp": "t"}
_TITLED = {"item": "i", "title": "n", "attributes": ["g"], "text": ["d"]}
_EVENTS = b'u,i,r,t\nann,"x,1",4.5,1393545600\nbob,y,,2014-02-28T10:00:00+02:00\n"c ""d""",z,1,\n'
_ITEMS = "i,n,g,d\nx,\"A, B\",\"['Drama', 'War']\",long text\ny,Ünï,,\n".encode()
_PLAIN = (b"u,i,r,t\nann,x,4.5,1393545600\nbob,y,,2014-02-28\n", b"i,n,g,d\nx,A,Drama,long text\ny,,,\n")
_FLAGS = "|".join("1" if place % 5 == 0 else "0" for place in range(len(GENRES)))
_SCORES = b"196\t242\t3\t881250949\n186\t302\t3\t891717742\n"


def _table(ending, events, items, **options):
    source = {
        "format": "table",
        "interactions": {"path": f"{{folder}}/events.{ending}", "columns": _RATED, **options},
        "items": {"path": f"{{folder}}/items.{ending}", "columns": _TITLED, **options},
    }
    return source, {f"events.{ending}": events, f"items.{ending}": items}


def _amazon(year, review, products):
    source = {"format": f"amazon_{year}", "reviews": "{folder}/r.json", "metadata": "{folder}/m.json"}
    return source, {"r.json": _lines(review, review), "m.json": products}


VALID = {
    "csv": _table("csv", _EVENTS, _ITEMS),
    "csv without quotes": _table("csv", *_PLAIN, quoting=False),
    "tsv": _table("tsv", _EVENTS.replace(b",", b"\t"), _ITEMS.replace(b",", b"\t"), header=True),
    "separator": _table("dat", *(text.replace(b",", b"::") for text in _PLAIN), separator="::"),
    "utf-16": _table("csv", _EVENTS.decode().encode("utf-16"), _ITEMS.decode().encode("utf-16"), encoding="utf-16"),
    "latin-1": _table("csv", _EVENTS, _ITEMS.decode().encode("latin-1"), encoding="latin-1"),
    "gbk": _table("csv", _EVENTS, _ITEMS, encoding="gbk"),
    "jsonl": _table(
        "jsonl",
        _lines({"u": "ann", "i": 1, "r": 4.5, "t": 1393545600}, {"u": 2.0, "i": "y", "r": None, "t": "2014-02-28"}),
        _lines({"i": 1, "n": "A", "g": ["x", ["y"]], "d": {"k": 1}}, {"i": "y", "n": None, "g": 1.5, "d": "\u00fc"}),
    ),
    "more items": (
        {
            "format": "table",
            "interactions": {"path": "{folder}/e.csv", "columns": _RATED},
            "items": {"path": "{folder}/i.csv", "columns": _TITLED},
            "more_items": [{"path": "{folder}/m.csv", "columns": {"item": "k", "title": "n"}, "link": "g"}],
        },
        {"e.csv": _EVENTS, "i.csv": _ITEMS, "m.csv": b"k,n\nDrama,Other\n"},
    ),
    "movielens_100k": (
        {"format": "movielens_100k", "path": "{folder}"},
        {"u.data": _SCORES, "u.item": f"242|Usual Suspects, The (1995)|1995||http://x|{_FLAGS}\n".encode("latin-1")},
    ),
    "atomic": (
        {"format": "movielens_100k", "path": "{folder}"},
        {
            "ml-100k.inter": b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + _SCORES,
            "ml-100k.item": b"item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
            b"242\tUsual Suspects, The\t1995\tCrime Thriller\n302\tunknown\tV\tunknown\n",
        },
    ),
    "movielens_1m": (
        {"format": "movielens_1m", "path": "{folder}"},
        {
            "ratings.dat": b"1::1193::5::978300760\n",
            "movies.dat": "1193::Caf\u00e9, The (1975)::Drama|War\n".encode("latin-1"),
        },
    ),
    "movielens_latest": (
        {"format": "movielens_latest", "path": "{folder}"},
        {
            "ratings.csv": b"userId,movieId,rating,timestamp\n1,1,4.0,964982703\n",
            "movies.csv": b'movieId,title,genres\n1,"Toy Story, The (1995)",Adventure|Comedy\n2,X,(no genres listed)\n',
        },
    ),
    "amazon_2014": _amazon(2014, _REVIEW_2014, _PRODUCT_2014),
    "amazon_2018": _amazon(2018, _REVIEW_2018, _lines(_PRODUCT_2018)),
    "amazon_2023": _amazon(2023, _REVIEW_2023, _lines(_PRODUCT_2023)),
    "amazon ratings": (
        {"format": "amazon_2018", "reviews": "{folder}/r.csv"},
        {"r.csv": b"B00004Y2UT,A14VAT5EAX3D9S,5.0,1393545600\n1384719342,A2IBPI20UZIR0U,1.0,1363392000\n"},
    ),
    "yelp": (
        {"format": "yelp", "path": "{folder}"},
        {
            "yelp_academic_dataset_review.json": _lines(_YELP_REVIEW, _YELP_REVIEW),
            "yelp_academic_dataset_business.json": _lines(_YELP_BUSINESS),
        },
    ),
    "ngcf": (
        {"format": "ngcf", "path": "{folder}", "items": {"path": "{folder}/items.csv", "columns": _TITLED}},
        {"train.txt": b"0 10 11\n1\n2 12 \n", "test.txt": b"0 13\n1 10\n", "items.csv": _ITEMS},
    ),
}
