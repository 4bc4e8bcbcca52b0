"""Amazon reviews of 2014, 2018 and 2023 as McAuley's group publishes them; one result for all.

Sources: McAuley et al., SIGIR 2015 (2014); Ni et al., EMNLP 2019 (2018); Hou et al., arXiv 2403.03952 (2023).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.config import AmazonSource, InteractionFile, ItemColumns, ItemFile
from hnlm_ray.sources import table
from hnlm_ray.sources.publishers import amazon_editions as editions
from hnlm_ray.sources.publishers.amazon_items import COLUMNS, is_script, product
from hnlm_ray.sources.readers.files import RawFile, find_files
from hnlm_ray.sources.readers.json_lines import json_objects, text_records, with_plain_ids
from hnlm_ray.sources.readers.literals import parse_line
from hnlm_ray.sources.readers.markup import plain_markup
from hnlm_ray.sources.readers.records import Records
from hnlm_ray.sources.readers.rejects import FileRejects, Rejects
from hnlm_ray.sources.readers.streams import open_utf8
from hnlm_ray.sources.rows.item_rows import ItemRows

SCRIPT: Final = "title is a script"
_REVIEW: Final = "review"
_PRODUCT_KEYS: Final = (COLUMNS.item, COLUMNS.title or "", *COLUMNS.attributes, *COLUMNS.text)


def source_files(source: AmazonSource) -> list[RawFile]:
    """Find all files that the source reads."""
    return [file for path in (source.reviews, source.metadata) if path for file in find_files(path)]


def read_interactions(source: AmazonSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield the reviews or ratings; schema ``TABLES["raw_interactions"]``."""
    edition = editions.EDITIONS[source.format]
    for file in find_files(source.reviews):
        lines = editions.first_lines(file)
        if editions.is_json(lines):
            editions.check_keys(file, lines, source.format, "review_keys")
            options = InteractionFile(path=file.path, format="jsonl", columns=edition.reviews)
            for rows in table.interactions_of(file, options, source, rejects, edition.reviews.review):
                yield shown_reviews(rows)
        else:
            editions.check_ratings(file, lines, source.format)
            header = not edition.ratings.user.isdigit()
            options = InteractionFile(path=file.path, format="csv", header=header, columns=edition.ratings)
            yield from table.interactions_of(file, options, source, rejects)


def read_items(source: AmazonSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield the products: title, the attributes brand, category and price, and the text."""
    rows = ItemRows(COLUMNS)
    for file in find_files(source.metadata) if source.metadata else ():
        editions.check_keys(file, editions.first_lines(file), source.format, "product_keys")
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
    item = editions.EDITIONS[source.format].item
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
