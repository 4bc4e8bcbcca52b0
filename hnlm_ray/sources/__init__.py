"""Raw files to interactions and items: streaming, with every unusable line counted and named.

One module a format of publishers; :data:`FORMATS` names them as ``source.format`` does. docs/extending.md shows how
one is added.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

import pyarrow as pa

from hnlm_ray.config.sources import AnySource
from hnlm_ray.sources.readers.files import RawFile
from hnlm_ray.sources.readers.rejects import Rejects

__all__ = ["FORMATS", "Rejects", "read_interactions", "read_items", "source_files"]

FORMATS: Final[dict[str, str]] = {
    "movielens_100k": "publishers.movielens",
    "movielens_1m": "publishers.movielens",
    "movielens_latest": "publishers.movielens",
    "amazon_2014": "publishers.amazon",
    "amazon_2018": "publishers.amazon",
    "amazon_2023": "publishers.amazon",
    "yelp": "publishers.yelp",
    "ngcf": "publishers.ngcf",
    "table": "table",
}


def _module(source: AnySource) -> Any:  # noqa: ANN401  a module
    """Import the one module that reads a format: `hnlm status` asks it for the names of its files alone."""
    return import_module(f"{__name__}.{FORMATS[source.format]}")


def source_files(source: AnySource) -> list[RawFile]:
    """Find all files that a source reads.

    Raises
    ------
    SourceError
        When one is missing.
    """
    files: list[RawFile] = _module(source).source_files(source)
    return files


def read_interactions(source: AnySource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield a source's interactions in batches; schema ``TABLES["raw_interactions"]``.

    Memory is bounded by a batch (about 4 MiB of text), not by a file.

    Raises
    ------
    SourceError
        When a file can't be read, lacks a mapped column, or has more bad lines than ``max_bad_share``.
    """
    batches: Iterator[pa.Table] = _module(source).read_interactions(source, rejects)
    return batches


def read_items(source: AnySource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield a source's items in batches, each id once; schema ``TABLES["raw_items"]``.

    Raises
    ------
    SourceError
        As :func:`read_interactions`.
    """
    batches: Iterator[pa.Table] = _module(source).read_items(source, rejects)
    return batches
