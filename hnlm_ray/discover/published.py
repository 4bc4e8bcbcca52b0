"""Data sets as their publishers lay them out, known by names and keys: their own formats then read them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from hnlm_ray.discover.files.columns import Column
from hnlm_ray.discover.files.heads import Head
from hnlm_ray.discover.files.inputs import Place
from hnlm_ray.discover.files.sample import Table

_SPLIT_LINE: Final = re.compile(r"[0-9]+(?:[ \t]+[0-9]+)*\s*")
_ASIN: Final = re.compile(r"[0-9A-Z]{10}")
_AMAZON_USER: Final = re.compile(r"A[0-9A-Z]{9,20}")
_SPLIT_FILES: Final = ("train.txt", "test.txt")
_YELP_FILES: Final = ("yelp_academic_dataset_review.json", "yelp_academic_dataset_business.json")
_MOVIELENS: Final = {
    "movielens_1m": ("ratings.dat", "movies.dat"),
    "movielens_latest": ("ratings.csv", "movies.csv"),
    "movielens_100k": ("u.data", "u.item"),
}
_MOVIELENS_LINES: Final = {
    "movielens_1m": r"\d+::\d+::[1-5]::\d+",
    "movielens_latest": r"userId,movieId,rating,timestamp",
    "movielens_100k": r"\d+\t\d+\t[1-5]\t\d+",
}

Heads = Mapping[Place, Head | None]


@dataclass(frozen=True)
class Published:
    """A known layout.

    Attributes
    ----------
    source
        The section ``source`` of the configuration.
    used
        The files that it reads.
    told
        What it was known by.
    min_rating
        The least rating of a positive; None when there are no ratings.
    given
        Train and test are the publisher's.
    pairs
        Its first interactions where item files may be added; else None.
    """

    source: dict[str, Any]
    used: tuple[Place, ...]
    told: str
    min_rating: float | None = None
    given: bool = False
    pairs: Table | None = None


def known_layout(heads: Heads) -> Published | None:
    """Return the publisher's layout that some of the files have, if one is known."""
    for detect in (_yelp, _movielens, _recbole_100k, _amazon, _split_files):
        found = detect(heads)
        if found is not None:
            return found
    return None


def _folders(heads: Heads) -> dict[str, dict[str, Place]]:
    """Group the files by folder (a zip is one) and name; '.gz' is no part of a name."""
    folders: dict[str, dict[str, Place]] = {}
    for place in heads:
        folder = os.path.dirname(place.path) or "." if place.member is None else place.path
        folders.setdefault(folder, {})[place.base.removesuffix(".gz")] = place
    return folders


def _first_line(head: Head | None) -> str:
    return "" if head is None else head.text.split("\n", 1)[0].strip()


def _yelp(heads: Heads) -> Published | None:
    for folder, places in _folders(heads).items():
        used = tuple(places[name] for name in _YELP_FILES if name in places)
        if len(used) == len(_YELP_FILES) and used[0].member is None:
            return Published({"format": "yelp", "path": folder}, used, "the names of Yelp's files", min_rating=4)
    return None


def _movielens(heads: Heads) -> Published | None:
    for folder, places in _folders(heads).items():
        for layout, names in _MOVIELENS.items():
            used = tuple(places[name] for name in names if name in places)
            packed = any(place.member is None and place.compression != "none" for place in used)
            if (
                len(used) == 2
                and not packed
                and _is_latin(heads[used[1]], layout)
                and re.fullmatch(_MOVIELENS_LINES[layout], _first_line(heads[used[0]]))
            ):
                told = f"{names[0]} and {names[1]} as GroupLens writes them"
                return Published({"format": layout, "path": folder}, used, told, min_rating=4)
    return None


def _is_latin(head: Head | None, layout: str) -> bool:
    """ML-10M has the files of ML-1M, but its titles are UTF-8 and its ratings have halves."""
    return layout != "movielens_1m" or head is None or head.encoding != "utf-8" or head.text.isascii()


def _recbole_100k(heads: Heads) -> Published | None:
    names = ("ml-100k.inter", "ml-100k.item")
    for folder, places in _folders(heads).items():
        used = tuple(places[name] for name in names if name in places)
        if len(used) == len(names) and used[0].member is None:
            return Published(
                {"format": "movielens_100k", "path": folder}, used, "RecBole's ml-100k files", min_rating=4
            )
    return None


def _amazon(heads: Heads) -> Published | None:
    plain = {place: head for place, head in heads.items() if head is not None and place.compression in {"none", "gzip"}}
    reviews = {place: edition for place, head in plain.items() if (edition := _review_edition(place, head))}
    if not reviews:
        return None
    place, edition = next(iter(reviews.items()))
    source = {"format": edition, "reviews": place.path}
    metadata = next((one for one, head in plain.items() if one != place and _is_metadata(head, edition)), None)
    if metadata is not None:
        source["metadata"] = metadata.path
    used = (place,) if metadata is None else (place, metadata)
    return Published(source, used, "the keys of Amazon's reviews", min_rating=4)


def _review_edition(place: Place, head: Head) -> str | None:
    """Tell the edition by the keys of the first lines, or by the order of a 'ratings only' CSV."""
    first = _first_line(head)
    keys = set().union(*(_keys(line) for line in head.text.split("\n")[:50]))
    if {"reviewerID", "asin", "overall"} <= keys:
        return "amazon_2018" if keys & {"verified", "style", "vote"} else "amazon_2014"
    if {"parent_asin", "user_id", "rating"} <= keys or first.startswith("user_id,parent_asin,rating,timestamp"):
        return "amazon_2023"
    cells = first.split(",")
    if len(cells) != 4 or not place.base.lower().endswith((".csv", ".csv.gz")):
        return None
    if _AMAZON_USER.fullmatch(cells[0]) and _ASIN.fullmatch(cells[1]) and not _AMAZON_USER.fullmatch(cells[1]):
        return "amazon_2014"
    return "amazon_2018" if _ASIN.fullmatch(cells[0]) and _AMAZON_USER.fullmatch(cells[1]) else None


def _is_metadata(head: Head | None, edition: str) -> bool:
    if head is None:
        return False
    if edition == "amazon_2023":
        return {"parent_asin", "title"} <= _keys(_first_line(head)) and "user_id" not in _keys(_first_line(head))
    first = _first_line(head)
    return first.startswith("{'") or ("asin" in _keys(first) and "overall" not in _keys(first))


def _keys(line: str) -> set[str]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return set()
    return set(found) if isinstance(found, dict) else set()


def _split_files(heads: Heads) -> Published | None:
    for folder, places in _folders(heads).items():
        used = tuple(places[name] for name in _SPLIT_FILES if name in places)
        plain = all(place.compression == "none" for place in used)
        if len(used) == len(_SPLIT_FILES) and plain and all(_is_split(heads[place]) for place in used):
            source: dict[str, Any] = {"format": "ngcf", "path": folder}
            told = "train.txt and test.txt with a user's items a line"
            return Published(source, used, told, given=True, pairs=_pairs(used, heads))
    return None


def _text(head: Head | None) -> str:
    return "" if head is None else head.text


def _is_split(head: Head | None) -> bool:
    lines = [line for line in head.text.split("\n")[:200] if line.strip()] if head else []
    many = any(len(line.split()) != len(lines[0].split()) for line in lines[1:])
    return bool(lines) and (many or len(lines) == 1) and all(map(_SPLIT_LINE.fullmatch, lines))


def _pairs(used: Sequence[Place], heads: Heads) -> Table:
    """Return the first pairs of a split as a table, to which files about items can be linked."""
    lines = [line.split() for place in used for line in _text(heads[place]).split("\n")]
    users = [line[0] for line in lines if line for _ in line[1:]]
    items = [item for line in lines if line for item in line[1:]]
    columns = tuple(Column(name, pa.array(ids, pa.string())) for name, ids in (("user", users), ("item", items)))
    return Table(used[0], {}, columns, complete=False)
