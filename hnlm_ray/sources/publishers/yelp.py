"""The Yelp Open Dataset: reviews and businesses as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import InteractionColumns, InteractionFile, ItemColumns, ItemFile, YelpSource
from hnlm_ray.sources import table
from hnlm_ray.sources.readers.files import RawFile, exists, file_in, find_files
from hnlm_ray.sources.readers.rejects import Rejects

REVIEWS: Final = "yelp_academic_dataset_review.json"
BUSINESSES: Final = "yelp_academic_dataset_business.json"
_REVIEW: Final = InteractionColumns(
    user="user_id", item="business_id", rating="stars", timestamp="date", review=("text",)
)
_BUSINESS: Final = ItemColumns(item="business_id", title="name", attributes=("categories", "city", "state"))


def source_files(source: YelpSource) -> list[RawFile]:
    """Find both files that the source reads."""
    return [file for name in (REVIEWS, BUSINESSES) for file in find_files(_path(source, name))]


def read_interactions(source: YelpSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield the reviews, whose dates are UTC; schema ``TABLES["raw_interactions"]``."""
    options = InteractionFile(path=_path(source, REVIEWS), format="jsonl", columns=_REVIEW)
    return table.interaction_tables(options, source, rejects)


def read_items(source: YelpSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield the businesses: the name as title, and the attributes categories, city and state."""
    options = ItemFile(path=_path(source, BUSINESSES), format="jsonl", columns=_BUSINESS)
    return table.item_tables(options, source, rejects)


def _path(source: YelpSource, name: str) -> str:
    paths = [file_in(source.path, name + ending) for ending in ("", ".gz")]
    found = next((path for path in paths if exists(path)), None)
    if found is None:
        raise SourceError(
            f"{source.path} has neither {name} nor {name}.gz; name the folder that holds it as source.path"
        )
    return found
