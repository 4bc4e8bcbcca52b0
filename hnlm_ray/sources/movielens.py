"""MovieLens 100K: the publisher's files, or RecBole's atomic files; one result for both."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib import metadata
from typing import Final

import pyarrow as pa

from hnlm_ray.config import InteractionColumns, InteractionFile, ItemColumns, ItemFile, MovieLensSource
from hnlm_ray.errors import SourceError
from hnlm_ray.sources import table
from hnlm_ray.sources.files import RawFile, exists, file_in, find_files, split_query
from hnlm_ray.sources.rejects import Rejects
from hnlm_ray.tables import TABLES

EMBEDDED_FOLDER = "recbole/dataset_example/ml-100k"
GENRES: Final = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
_PUBLISHERS: Final = ("u.data", "u.item")
_FIRST_FLAG = 5
_DATED: Final = re.compile(r"(?s)(.*\S) *\(([0-9]{4})\)$")
_ARTICLE: Final = re.compile(r"(?s)([^(]*[^( ]), (The|A|An|Les|La|Le|Il|Lo|El|Los|Las|Das|Der|Die|L')( \(.*\))?$")


def source_files(source: MovieLensSource) -> list[RawFile]:
    """Find both files that the source reads."""
    folder = _folder(source)
    return [file for name in _names(folder) for file in find_files(file_in(folder, name))]


def read_interactions(source: MovieLensSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield the ratings; schema ``TABLES["raw_interactions"]``."""
    folder = _folder(source)
    name, _ = _names(folder)
    if name == _PUBLISHERS[0]:
        columns, header = InteractionColumns(user="0", item="1", rating="2", timestamp="3"), False
    else:
        names = ("user_id:token", "item_id:token", "rating:float", "timestamp:float")
        columns, header = InteractionColumns(**dict(zip(InteractionColumns.model_fields, names, strict=True))), True
    options = InteractionFile(path=file_in(folder, name), format="tsv", header=header, quoting=False, columns=columns)
    return table.interaction_tables(options, source.max_bad_share, rejects)


def read_items(source: MovieLensSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield the movies: a title as one says it, and the attributes genres and year."""
    folder = _folder(source)
    _, name = _names(folder)
    path = file_in(folder, name)
    if name == _PUBLISHERS[1]:
        flags = tuple(str(_FIRST_FLAG + genre) for genre in range(len(GENRES)))
        columns = ItemColumns(item="0", title="1", attributes=("2", *flags))
        options = ItemFile(
            path=path, format="csv", separator="|", encoding="latin-1", header=False, quoting=False, columns=columns
        )
    else:
        columns = ItemColumns(
            item="item_id:token", title="movie_title:token_seq", attributes=("release_year:token", "class:token_seq")
        )
        options = ItemFile(path=path, format="tsv", quoting=False, columns=columns)
    for raw in table.item_tables(options, source.max_bad_share, rejects):
        yield _movies(raw)


def readable_title(title: str) -> tuple[str, str | None]:
    """Split 'Usual Suspects, The (1995)' into 'The Usual Suspects' and '1995'."""
    dated = _DATED.match(title)
    name, year = (dated[1], dated[2]) if dated else (title, None)
    article = _ARTICLE.match(name)
    if article:
        blank = "" if article[2].endswith("'") else " "
        name = f"{article[2]}{blank}{article[1]}{article[3] or ''}"
    return name, year


def _folder(source: MovieLensSource) -> str:
    if source.path != "embedded":
        return source.path
    try:
        return str(metadata.distribution("recbole").locate_file(EMBEDDED_FOLDER))
    except metadata.PackageNotFoundError as error:
        raise SourceError(
            "source.path 'embedded' needs the recbole distribution, which is not installed; "
            "run `pip install --no-deps recbole==1.2.1` or name a folder with u.data and u.item"
        ) from error


def _names(folder: str) -> tuple[str, str]:
    """Return the names of the files of interactions and of items."""
    own = os.path.basename(split_query(folder)[0].rstrip("/"))
    for names in (_PUBLISHERS, *((f"{name}.inter", f"{name}.item") for name in ("ml-100k", own))):
        if all(exists(file_in(folder, name)) for name in names):
            return names
    raise SourceError(f"{folder} has neither u.data and u.item nor ml-100k.inter and ml-100k.item; correct source.path")


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
    """Bring either layout's columns to ``genres`` and ``year``."""
    if "class:token_seq" in found or "release_year:token" in found:
        genres = found.get("class:token_seq", "").split()
        year = year or found.get("release_year:token")
    else:
        genres = [genre for place, genre in enumerate(GENRES, start=_FIRST_FLAG) if found.get(str(place)) == "1"]
    named = ", ".join(genre for genre in genres if genre != "unknown")
    year = year if year and re.fullmatch("[0-9]{4}", year) else None
    return [pair for pair in (("genres", named), ("year", year or "")) if pair[1]]
