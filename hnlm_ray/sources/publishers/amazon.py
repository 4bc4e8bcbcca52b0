"""Amazon reviews of 2014, 2018 and 2023 as McAuley's group publishes them; one result for all.

Sources: McAuley et al., SIGIR 2015 (2014); Ni et al., EMNLP 2019 (2018); Hou et al., arXiv 2403.03952 (2023).

Which edition of Amazon's reviews a file is of, by its first lines: a wrong one must not pass for another.

A product of Amazon's metadata, in one spelling for the editions of 2014, 2018 and 2023.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import AmazonSource, FileFormat, InteractionColumns, InteractionFile, ItemColumns, ItemFile
from hnlm_ray.sources import table
from hnlm_ray.sources.readers.files import RawFile, find_files
from hnlm_ray.sources.readers.json_lines import json_objects, text_records, with_plain_ids
from hnlm_ray.sources.readers.literals import parse_line
from hnlm_ray.sources.readers.markup import plain_markup
from hnlm_ray.sources.readers.records import Records
from hnlm_ray.sources.readers.rejects import FileRejects, Rejects
from hnlm_ray.sources.readers.streams import open_utf8
from hnlm_ray.sources.rows.item_rows import ItemRows

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


COLUMNS: Final = ItemColumns(item="item", title="title", attributes=("brand", "category", "price"), text=("text",))
TITLE_CHARS: Final = 500
ATTRIBUTE_CHARS: Final = 500
TEXT_CHARS: Final = 5000
_MOST_PARTS: Final = 100
_SCRIPT: Final = "getTime"
_BYLINE: Final = re.compile(r"^\s*by\s*\n\s*")
_AMOUNT: Final = r"\$?\s*([0-9]{1,9}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(\.[0-9]{1,9})?"
_PRICE: Final = re.compile(rf"(?:from\s+)?{_AMOUNT}(?:\s*-\s*{_AMOUNT})?", re.IGNORECASE)


def product(found: Mapping[str, Any], item: str) -> dict[str, Any]:
    """Bring one object of the metadata to the columns of :data:`COLUMNS`; what it lacks is None.

    Parameters
    ----------
    found
        The object. Its keys may be those of any edition: ``brand`` (2023: ``store``), ``category`` or
        ``categories``, ``description``, ``feature`` or ``features``, ``price``.
    item
        The key of the item's id.
    """
    title = _product_text(found.get("title"), TITLE_CHARS)
    texts = (_product_text(found.get(key), TEXT_CHARS, "\n") for key in ("description", "feature", "features"))
    return {
        "item": found.get(item),
        "title": None if is_script(found) else title,
        "brand": _brand(found),
        "category": _category(found),
        "price": price(found.get("price")),
        "text": "\n".join(text for text in texts if text)[:TEXT_CHARS] or None,
    }


def is_script(found: Mapping[str, Any]) -> bool:
    """Tell whether the title is a piece of a page's JavaScript: the publisher's notebook drops those of 2018 so."""
    return _SCRIPT in str(found.get("title", ""))


def price(value: object) -> str | None:
    """Write a price in dollars with two decimals: the lowest where it is a range; None for what is no price."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        matched = _PRICE.fullmatch(value.strip())
        if matched is None:
            return None
        value = float(matched[1].replace(",", "") + (matched[2] or ""))
    return f"{value:.2f}" if math.isfinite(value) and 0 <= value < 1e9 else None


def _brand(found: Mapping[str, Any]) -> str | None:
    """Return the brand; 2018 has pieces of the page's byline ('by' and a line end) before some."""
    named = found.get("brand") or found.get("store") or _details(found).get("Brand")
    return _product_text(_BYLINE.sub("", named) if isinstance(named, str) else named, ATTRIBUTE_CHARS)


def _category(found: Mapping[str, Any]) -> str | None:
    """Return the categories, each once; where there are none, the main one."""
    keys = ("category", "categories", "main_cat", "main_category")
    return next((text for key in keys if (text := _product_text(found.get(key), ATTRIBUTE_CHARS, ", "))), None)


def _details(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the details of 2023, an object or the JSON text of one."""
    details = found.get("details")
    if isinstance(details, str):
        try:
            details = json.loads(details)
        except (ValueError, RecursionError):
            return {}
    return details if isinstance(details, dict) else {}


def _product_text(value: object, most: int, between: str = " ") -> str | None:
    """Join the texts of a value as a page shows them, each once."""
    cleaned = (plain_markup(part, most) for part in _parts(value))
    return between.join(dict.fromkeys(text for text in cleaned if text))[:most].rstrip(", ") or None


def _parts(value: object) -> Iterator[str]:
    """Yield the texts and numbers of a value or of lists in lists; what is nested deeper, and all else, is none."""
    level: list[object] = [value]
    for _ in range(4):
        yield from (str(part) for part in level if isinstance(part, str | int | float) and not isinstance(part, bool))
        level = [part for one in level if isinstance(one, list) for part in one[:_MOST_PARTS]][:_MOST_PARTS]


SCRIPT: Final = "title is a script"
_REVIEW: Final = "review"
_PRODUCT_KEYS: Final = (COLUMNS.item, COLUMNS.title or "", *COLUMNS.attributes, *COLUMNS.text)


def source_files(source: AmazonSource) -> list[RawFile]:
    """Find all files that the source reads."""
    return [file for path in (source.reviews, source.metadata) if path for file in find_files(path)]


def read_interactions(source: AmazonSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield the reviews or ratings; schema ``TABLES["raw_interactions"]``."""
    edition = EDITIONS[source.format]
    for file in find_files(source.reviews):
        lines = first_lines(file)
        if is_json(lines):
            check_keys(file, lines, source.format, "review_keys")
            options = InteractionFile(path=file.path, format="jsonl", columns=edition.reviews)
            for rows in table.interactions_of(file, options, source, rejects, edition.reviews.review):
                yield shown_reviews(rows)
        else:
            check_ratings(file, lines, source.format)
            header = not edition.ratings.user.isdigit()
            options = InteractionFile(path=file.path, format="csv", header=header, columns=edition.ratings)
            yield from table.interactions_of(file, options, source, rejects)


def read_items(source: AmazonSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield the products: title, the attributes brand, category and price, and the text."""
    rows = ItemRows(COLUMNS)
    for file in find_files(source.metadata) if source.metadata else ():
        check_keys(file, first_lines(file), source.format, "product_keys")
        account = rejects.file(file.name, source.max_bad_share)
        yield from table.converted(_products(file, source, account), rows.table, account)


def shown_reviews(rows: pa.Table) -> pa.Table:
    """Write reviews that hold tags or entities as a page shows them, line by line."""
    column = rows[_REVIEW].combine_chunks()
    marked = pc.fill_null(pc.match_substring_regex(column, "[<&]"), False)  # noqa: FBT003
    if not pc.any(marked).as_py():
        return rows
    shown = pa.array([_shown(review) for review in column.filter(marked).to_pylist()], pa.string())
    place = rows.schema.get_field_index(_REVIEW)
    return rows.set_column(place, rows.schema.field(place), pc.replace_with_mask(column, marked, shown))


def _shown(review: str) -> str | None:
    return "\n".join(line for part in review.split("\n") if (line := plain_markup(part, len(part)))) or None


def _products(file: RawFile, source: AmazonSource, rejects: FileRejects) -> Iterator[Records]:
    item = EDITIONS[source.format].item
    options = ItemFile(path=file.path, format="jsonl", columns=ItemColumns(item=item))
    parse = parse_line if source.format == "amazon_2014" else json.loads
    with open_utf8(file, options) as stream:
        for found in json_objects(stream, options, [item], rejects, parse):
            lines, objects = with_plain_ids(*found, [item], rejects)
            for line, one in zip(lines, objects, strict=True):
                if is_script(one):
                    rejects.leave_out(line, SCRIPT, str(one[item]))
            if objects:
                yield text_records(lines, [product(one, item) for one in objects], _PRODUCT_KEYS, rejects)
