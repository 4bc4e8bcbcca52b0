import pytest

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import YelpSource
from hnlm_ray.sources import Rejects, read_interactions, read_items, source_files
from hnlm_ray.sources.publishers.yelp import BUSINESSES, REVIEWS


def rows(reader, folder, share=0.0):
    rejects = Rejects()
    source = YelpSource(format="yelp", path=str(folder), max_bad_share=share)
    return [row for table in reader(source, rejects) for row in table.to_pylist()], rejects


@pytest.mark.parametrize("packed", [False, True])
def test_reviews_and_businesses(tmp_path, lines, packed):
    ending = ".gz" * packed
    lines.write(tmp_path / (REVIEWS + ending), [lines.review_yelp("u", "b", 3.0)], packed=packed)
    lines.write(tmp_path / (BUSINESSES + ending), [lines.business_yelp("b")], packed=packed)
    assert rows(read_interactions, tmp_path)[0] == [
        {
            "user_id": "u",
            "item_id": "b",
            "rating": 3.0,
            "timestamp": 1457484998,
            "source_split": None,
            "review": "Great pizza.\n\nWould come again.",
        }
    ]
    assert rows(read_items, tmp_path)[0] == [
        {
            "item_id": "b",
            "title": "St Honore Pastries",
            "attributes": [
                ("categories", "Restaurants, Food, Bubble Tea"),
                ("city", "Philadelphia"),
                ("state", "PA"),
            ],
            "text": None,
        }
    ]
    found = source_files(YelpSource(format="yelp", path=f"{tmp_path}/"))
    assert [file.name for file in found] == [f"{tmp_path}/{name}{ending}" for name in (REVIEWS, BUSINESSES)]


def test_odd_lines_are_counted(tmp_path, lines):
    make = lines.review_yelp
    found = [
        make("u1", "b"),
        make("u2", "b", day="2016-03-09"),
        make("u3", "b", day="yesterday"),
        make("", "b"),
        make("u5", "b", text="a\0b"),
        make("u6", "b", rating="five"),
        "{",
    ]
    lines.write(tmp_path / REVIEWS, found)
    lines.write(tmp_path / BUSINESSES, [lines.business_yelp("b", categories=None, city="", name="<b>"), "[]"])
    kept, rejects = rows(read_interactions, tmp_path, share=1.0)
    assert [(row["user_id"], row["timestamp"], bool(row["review"])) for row in kept] == [
        ("u1", 1457484998, True),
        ("u2", 1457481600, True),
        ("u5", 1457484998, False),
    ]
    assert (rejects.lines, rejects.bad) == (7, 4)
    ((business,), rejects) = rows(read_items, tmp_path, share=1.0)
    assert (business["title"], business["attributes"]) == ("<b>", [("state", "PA")])
    assert rejects.bad == 1


def test_a_folder_without_the_files_says_which_is_missing(tmp_path, lines):
    with pytest.raises(SourceError, match=f"has neither {REVIEWS} nor {REVIEWS}.gz"):
        source_files(YelpSource(format="yelp", path=str(tmp_path)))
    lines.write(tmp_path / REVIEWS, [lines.review_yelp("u", "b")])
    with pytest.raises(SourceError, match=f"has neither {BUSINESSES}"):
        source_files(YelpSource(format="yelp", path=str(tmp_path)))


def test_another_file_under_the_name_is_told(tmp_path, lines):
    lines.write(tmp_path / REVIEWS, [lines.business_yelp("b")])
    lines.write(tmp_path / BUSINESSES, [lines.business_yelp("b")])
    with pytest.raises(SourceError, match="no column 'user_id'"):
        rows(read_interactions, tmp_path)
