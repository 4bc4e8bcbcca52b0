"""Which edition of Amazon's reviews a file is of, by its first lines: a wrong one must not pass for another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import FileFormat, InteractionColumns
from hnlm_ray.sources.readers.files import RawFile
from hnlm_ray.sources.readers.literals import parse_line
from hnlm_ray.sources.readers.streams import open_utf8

_HEAD_BYTES: Final = 2**18
_HEAD_LINES: Final = 100
_ASIN: Final = re.compile(r"B[0-9A-Z]{9}|[0-9]{9}[0-9X]")


@dataclass(frozen=True)
class Edition:
    """How one edition is written: its columns, and keys that it has and no other.

    ``ratings`` are the columns of 'ratings only' files: numbers where these have no header.
    """

    reviews: InteractionColumns
    ratings: InteractionColumns
    item: str
    review_keys: tuple[str, ...]
    product_keys: tuple[str, ...]


_REVIEWS: Final = InteractionColumns(
    user="reviewerID", item="asin", rating="overall", timestamp="unixReviewTime", review=("summary", "reviewText")
)
_BY_NAME: Final = InteractionColumns(user="user_id", item="parent_asin", rating="rating", timestamp="timestamp")
EDITIONS: Final = {
    "amazon_2014": Edition(
        _REVIEWS,
        InteractionColumns(user="0", item="1", rating="2", timestamp="3"),
        "asin",
        ("helpful",),
        ("imUrl", "related"),
    ),
    "amazon_2018": Edition(
        _REVIEWS,
        InteractionColumns(item="0", user="1", rating="2", timestamp="3"),
        "asin",
        ("verified", "vote"),
        ("main_cat", "also_buy", "also_view", "imageURL"),
    ),
    "amazon_2023": Edition(
        _BY_NAME.model_copy(update={"review": ("title", "text")}),
        _BY_NAME,
        "parent_asin",
        ("parent_asin", "verified_purchase"),
        ("parent_asin", "main_category"),
    ),
}


def first_lines(file: RawFile) -> list[str]:
    """Return whole lines from the start of a file, none when the first is longer than 256 KiB."""
    with open_utf8(file, FileFormat(path=file.name)) as stream:
        head = stream.read(_HEAD_BYTES)
    lines = head.decode("utf-8", "replace").removeprefix("\ufeff").split("\n")
    return [line for line in (lines if len(head) < _HEAD_BYTES else lines[:-1]) if line.strip()][:_HEAD_LINES]


def is_json(lines: Sequence[str]) -> bool:
    """Tell whether a file of reviews is JSON lines, not 'ratings only'."""
    return bool(lines) and lines[0].lstrip().startswith(("{", "["))


def check_keys(file: RawFile, lines: Sequence[str], wanted: str, kind: str) -> None:
    """Raise SourceError when the keys are another edition's; ``kind`` is 'review_keys' or 'product_keys'."""
    keys = {key for found in _objects(lines) for key in found}
    own: tuple[str, ...] = getattr(EDITIONS[wanted], kind)
    other = next((name for name, edition in EDITIONS.items() if not keys.isdisjoint(getattr(edition, kind))), wanted)
    if keys.isdisjoint(own) and other != wanted:
        shown = next(key for key in getattr(EDITIONS[other], kind) if key in keys)
        raise _wrong(file, f"no key {own[0]!r} but {shown!r}", wanted, other)


def check_ratings(file: RawFile, lines: Sequence[str], wanted: str) -> None:
    """Raise SourceError when a 'ratings only' file has the header or the order of another edition."""
    fields = [line.strip().split(",") for line in lines]
    named = bool(fields) and {_BY_NAME.user, _BY_NAME.item} <= set(fields[0])
    if named != (wanted == "amazon_2023"):
        what = "the header" if named else "no header"
        raise _wrong(file, f"{what} user_id,parent_asin,rating,timestamp", wanted, _other(fields, named=named))
    if not named and (found := _order(fields)) not in {None, wanted}:
        raise _wrong(file, f"products in column {1 if found == 'amazon_2018' else 2}", wanted, str(found))


def _other(fields: Sequence[Sequence[str]], *, named: bool) -> str:
    return "amazon_2023" if named else _order(fields) or "amazon_2014 or amazon_2018"


def _order(fields: Sequence[Sequence[str]]) -> str | None:
    """Tell by the shape of Amazon's ids which column holds products; None where neither or both do."""
    counts = [sum(len(row) > place and bool(_ASIN.fullmatch(row[place])) for row in fields) for place in (0, 1)]
    if counts[0] == counts[1]:
        return None
    return "amazon_2018" if counts[0] > counts[1] else "amazon_2014"


def _objects(lines: Sequence[str]) -> Iterator[dict[str, object]]:
    for line in lines:
        try:
            value = parse_line(line)
        except (ValueError, RecursionError):
            continue  # its reader rejects and counts it
        if isinstance(value, dict):
            yield value


def _wrong(file: RawFile, what: str, wanted: str, other: str) -> SourceError:
    return SourceError(f"{file.name} has {what}: it looks like {other}, not {wanted}; correct source.format")
