"""MovieLens 100K, 1M and latest as published, or 100K as RecBole's atomic files; one result for all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from typing import Final

import pyarrow as pa

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import MovieLensSource
from hnlm_ray.sources import table
from hnlm_ray.sources.publishers.movielens_layouts import (
    ATOMIC_GENRES,
    ATOMIC_YEAR,
    FIRST_FLAG,
    GENRE_LIST,
    GENRES,
    find_layout,
)
from hnlm_ray.sources.readers.files import RawFile, find_files
from hnlm_ray.sources.readers.rejects import Rejects
from hnlm_ray.workspace.tables import TABLES

EMBEDDED_FOLDER = "recbole/dataset_example/ml-100k"
_NO_GENRES: Final = frozenset({"", "unknown", "(no genres listed)"})
_DATED: Final = re.compile(r"(?s)(.*\S) *\(([0-9]{4})\)$")
_ARTICLE: Final = re.compile(r"(?s)([^(]*[^( ]), (The|A|An|Les|La|Le|Il|Lo|El|Los|Las|Das|Der|Die|L')( \(.*\))?$")


def source_files(source: MovieLensSource) -> list[RawFile]:
    """Find the files that the source reads: two, or one zip."""
    found = find_layout(source.format, _path(source))
    return [file for path in dict.fromkeys((found.ratings.path, found.movies.path)) for file in find_files(path)]


def read_interactions(source: MovieLensSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield the ratings; schema ``TABLES["raw_interactions"]``."""
    return table.interaction_tables(find_layout(source.format, _path(source)).ratings, source, rejects)


def read_items(source: MovieLensSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield the movies: a title as one says it, and the attributes genres and year."""
    for raw in table.item_tables(find_layout(source.format, _path(source)).movies, source, rejects):
        yield _movies(raw)


def readable_title(title: str) -> tuple[str, str | None]:
    """Split 'Usual Suspects, The (1995)' into 'The Usual Suspects' and '1995'."""
    dated = _DATED.match(title.strip())
    name, year = (dated[1], dated[2]) if dated else (title, None)
    article = _ARTICLE.match(name)
    if article:
        blank = "" if article[2].endswith("'") else " "
        name = f"{article[2]}{blank}{article[1]}{article[3] or ''}"
    return name, year


def _path(source: MovieLensSource) -> str:
    if source.path != "embedded":
        return source.path
    try:
        return str(metadata.distribution("recbole").locate_file(EMBEDDED_FOLDER))
    except metadata.PackageNotFoundError as error:
        raise SourceError(
            "source.path 'embedded' needs the recbole distribution, which is not installed; "
            "run `pip install --no-deps recbole==1.2.1` or name a folder with u.data and u.item"
        ) from error


def _movies(raw: pa.Table) -> pa.Table:
    titles, attributes = [], []
    for title, pairs in zip(raw["title"].to_pylist(), raw["attributes"].to_pylist(), strict=True):
        name, year = readable_title(title or "")
        titles.append(name or None)
        attributes.append(_attributes(dict(pairs), year))
    schema = TABLES["raw_items"]
    maps = pa.array(attributes, schema.field("attributes").type)
    return pa.table([raw["item_id"], titles, maps, raw["text"]], schema=schema)


def _attributes(found: dict[str, str], year: str | None) -> list[tuple[str, str]]:
    """Bring every layout's columns to ``genres`` and ``year``."""
    if GENRE_LIST in found:
        genres = found[GENRE_LIST].split("|")
    elif ATOMIC_GENRES in found or ATOMIC_YEAR in found:
        genres = found.get(ATOMIC_GENRES, "").split()
        year = year or found.get(ATOMIC_YEAR)
    else:
        genres = [genre for place, genre in enumerate(GENRES, start=FIRST_FLAG) if found.get(str(place)) == "1"]
    named = ", ".join(genre for genre in genres if genre not in _NO_GENRES)
    year = year if year and re.fullmatch("[0-9]{4}", year) else None
    return [pair for pair in (("genres", named), ("year", year or "")) if pair[1]]
