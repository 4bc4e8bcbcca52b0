"""Lines as the publishers write them, with every field of a real one."""

import gzip
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest


def seconds(day):
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def review_2014(user, item, rating=5.0, day="2014-02-28", **over):
    return {
        "reviewerID": user,
        "asin": item,
        "reviewerName": "cassandra tu \"Yeah, well, that's just like, u...",
        "helpful": [0, 0],
        "reviewText": "Does exactly what it says.",
        "overall": rating,
        "summary": "good",
        "unixReviewTime": seconds(day),
        "reviewTime": "02 28, 2014",
        **over,
    }


def review_2018(user, item, rating=5.0, day="2016-05-01", **over):
    return {
        "overall": rating,
        "vote": "2",
        "verified": True,
        "reviewTime": "05 1, 2016",
        "reviewerID": user,
        "asin": item,
        "style": {"Size:": " Large", "Color:": " Charcoal"},
        "reviewerName": "Abbey",
        "reviewText": "Does exactly what it says.",
        "summary": "good",
        "unixReviewTime": seconds(day),
        "image": ["https://images-na.ssl-images-amazon.com/images/I/71eG75FTJJL._SY88.jpg"],
        **over,
    }


def review_2023(user, item, rating=5.0, day="2016-05-01", **over):
    return {
        "rating": rating,
        "title": "good",
        "text": "Does exactly what it says.",
        "images": [
            {"small_image_url": "https://m.media-amazon.com/images/I/a._SL256_.jpg", "attachment_type": "IMAGE"}
        ],
        "asin": "B0VARIANT1",
        "parent_asin": item,
        "user_id": user,
        "timestamp": seconds(day) * 1000 + 452,
        "helpful_vote": 0,
        "verified_purchase": True,
        **over,
    }


def product_2014(item, **over):
    return {
        "asin": item,
        "description": "A pop filter.",
        "title": "Pop Filter",
        "price": 14.95,
        "salesRank": {"Musical Instruments": 19905},
        "imUrl": "http://ecx.images-amazon.com/images/I/519AB5ZVFXL._SY300_.jpg",
        "related": {"also_bought": ["B0000CDBQO"], "buy_after_viewing": ["B0000CDBRZ"]},
        "brand": "Nady",
        "categories": [["Musical Instruments", "Accessories"], ["Musical Instruments", "Microphones"]],
        **over,
    }


def product_2018(item, **over):
    return {
        "category": ["Toys &amp; Games", "Puzzles", "</span></span></span>", "Puzzles"],
        "tech1": "",
        "description": ["A <b>big</b> puzzle.", "", "For two &amp; more."],
        "fit": "",
        "title": "Puzzle &amp; Frame",
        "also_buy": ["B0001"],
        "tech2": "",
        "brand": "by\n    \n    Ravensburger",
        "feature": ["1000 pieces", "No <i>glue</i>"],
        "rank": ["&gt;#612,379 in Toys &amp; Games (See Top 100)"],
        "also_view": [],
        "details": {},
        "main_cat": '<img src="https://images-na.ssl-images-amazon.com/a.png" alt="Toys &amp; Games"/>',
        "similar_item": "",
        "date": "",
        "price": "$12.30",
        "asin": item,
        "imageURL": [],
        "imageURLHighRes": [],
        **over,
    }


def product_2023(item, **over):
    return {
        "main_category": "All Electronics",
        "title": "USB Cable",
        "average_rating": 4.6,
        "rating_number": 31,
        "features": ["Braided", "2 m"],
        "description": ["Charges fast.<br />Lasts."],
        "price": 14.99,
        "images": [{"thumb": "https://m.media-amazon.com/images/I/a._SX38_.jpg", "variant": "MAIN", "hi_res": None}],
        "videos": [],
        "store": "Anker",
        "categories": ["Electronics", "Cables"],
        "details": {"Brand": "Anker", "Item Weight": "1 ounce"},
        "parent_asin": item,
        "bought_together": None,
        **over,
    }


def review_yelp(user, item, rating=5.0, day="2016-03-09 00:56:38", **over):
    return {
        "review_id": "lWC-xP3rd6obsecCYsGZRg",
        "user_id": user,
        "business_id": item,
        "stars": rating,
        "useful": 0,
        "funny": 0,
        "cool": 0,
        "text": "Great pizza.\n\nWould come again.",
        "date": day,
        **over,
    }


def business_yelp(item, **over):
    return {
        "business_id": item,
        "name": "St Honore Pastries",
        "address": "935 Race St",
        "city": "Philadelphia",
        "state": "PA",
        "postal_code": "19107",
        "latitude": 39.9555052,
        "longitude": -75.1555641,
        "stars": 4.0,
        "review_count": 80,
        "is_open": 1,
        "attributes": {"RestaurantsDelivery": "False", "BusinessParking": "{'garage': False, 'street': True}"},
        "categories": "Restaurants, Food, Bubble Tea",
        "hours": {"Monday": "7:0-20:0"},
        **over,
    }


def write_lines(path, lines, *, packed=False):
    """Write objects as JSON and texts as they are, a line each."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    data = "".join(text + "\n" for text in texts).encode("utf-8", "surrogatepass")
    path.write_bytes(gzip.compress(data) if packed else data)
    return str(path)


@pytest.fixture
def lines():
    """The factories of real lines, and what writes them."""
    return SimpleNamespace(
        review={"amazon_2014": review_2014, "amazon_2018": review_2018, "amazon_2023": review_2023},
        product={"amazon_2014": product_2014, "amazon_2018": product_2018, "amazon_2023": product_2023},
        review_yelp=review_yelp,
        business_yelp=business_yelp,
        write=write_lines,
        seconds=seconds,
    )
