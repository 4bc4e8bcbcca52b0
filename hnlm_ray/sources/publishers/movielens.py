"""MovieLens 100K, 1M and latest as published, or 100K as RecBole's atomic files; one result for all.

How the files of MovieLens are laid out: which files of a folder or zip, and which column holds what.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

import pyarrow as pa

from hnlm_ray.base.errors import SourceError
from hnlm_ray.base.text import first_line
from hnlm_ray.config import InteractionColumns, InteractionFile, ItemColumns, ItemFile, MovieLensSource
from hnlm_ray.sources import table
from hnlm_ray.sources.readers.files import RawFile, exists, file_in, find_files, split_query
from hnlm_ray.sources.readers.rejects import Rejects
from hnlm_ray.sources.readers.streams import BROKEN
from hnlm_ray.workspace.tables import TABLES

GENRES: Final = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
FIRST_FLAG: Final = 5
GENRE_LIST, ATOMIC_GENRES, ATOMIC_YEAR = "genres", "class:token_seq", "release_year:token"


@dataclass(frozen=True)
class Layout:
    """One way to write ratings and movies: the names of both files, and the columns.

    ``ratings`` and ``movies`` are the options of :class:`InteractionFile` and :class:`ItemFile` but the path.
    """

    files: tuple[str, str]
    ratings: dict[str, Any]
    movies: dict[str, Any]


@dataclass(frozen=True)
class Found:
    """The files of a layout as they lie: options of both files with the path and, in a zip, the member."""

    ratings: InteractionFile
    movies: ItemFile


def _columns(user: str, item: str, rating: str, timestamp: str) -> InteractionColumns:
    return InteractionColumns(user=user, item=item, rating=rating, timestamp=timestamp)


_POSITIONS: Final = _columns("0", "1", "2", "3")
_HUNDRED_K: Final = Layout(
    ("u.data", "u.item"),
    {"format": "tsv", "header": False, "quoting": False, "columns": _POSITIONS},
    {
        "format": "csv",
        "separator": "|",
        "encoding": "latin-1",
        "header": False,
        "quoting": False,
        "columns": ItemColumns(
            item="0", title="1", attributes=("2", *(str(FIRST_FLAG + place) for place in range(len(GENRES))))
        ),
    },
)
_ONE_M: Final = Layout(
    ("ratings.dat", "movies.dat"),
    {"format": "csv", "separator": "::", "header": False, "columns": _POSITIONS},
    {
        "format": "csv",
        "separator": "::",
        "encoding": "latin-1",
        "header": False,
        "names": ("movieId", "title", GENRE_LIST),
        "columns": ItemColumns(item="movieId", title="title", attributes=(GENRE_LIST,)),
    },
)
_LATEST: Final = Layout(
    ("ratings.csv", "movies.csv"),
    {"format": "csv", "columns": _columns("userId", "movieId", "rating", "timestamp")},
    {"format": "csv", "columns": ItemColumns(item="movieId", title="title", attributes=(GENRE_LIST,))},
)


def _atomic(name: str) -> Layout:
    columns = _columns("user_id:token", "item_id:token", "rating:float", "timestamp:float")
    movies = ItemColumns(item="item_id:token", title="movie_title:token_seq", attributes=(ATOMIC_YEAR, ATOMIC_GENRES))
    options = {"format": "tsv", "quoting": False}
    return Layout((f"{name}.inter", f"{name}.item"), {**options, "columns": columns}, {**options, "columns": movies})


def find_layout(format_name: str, path: str) -> Found:
    """Find the two files of a MovieLens edition in a folder or in the publisher's zip.

    Raises
    ------
    SourceError
        When they are not there; it says which other edition is.
    """
    named = os.path.basename(split_query(path)[0].rstrip("/"))
    layouts = {
        "movielens_100k": [_HUNDRED_K, _atomic("ml-100k"), _atomic(named)],
        "movielens_1m": [_ONE_M],
        "movielens_latest": [_LATEST],
    }
    members = _members(path) if named.lower().endswith(".zip") else None
    for layout in layouts[format_name]:
        if found := _placed(layout, path, members):
            return found
    looked = " nor ".join(" and ".join(layout.files) for layout in layouts[format_name][:2])
    other = next((name for name in layouts for one in layouts[name] if _placed(one, path, members)), None)
    hint = f"its files are those of {other}, set source.format" if other else "correct source.path"
    raise SourceError(f"{path} has {'neither' if ' nor ' in looked else 'not'} {looked}; {hint}")


def _placed(layout: Layout, path: str, members: list[str] | None) -> Found | None:
    """Say where both files of a layout lie, if they do."""
    if members is None:
        paths = [file_in(path, name) for name in layout.files]
        if not all(map(exists, paths)):
            return None
        places = [{"path": one} for one in paths]
    else:
        inside = [next((one for one in members if one.rsplit("/", 1)[-1] == name), None) for name in layout.files]
        if None in inside:
            return None
        places = [{"path": path, "member": str(member)} for member in inside]
    return Found(InteractionFile(**places[0], **layout.ratings), ItemFile(**places[1], **layout.movies))


def _members(path: str) -> list[str]:
    """List the files in a zip, those nearest to its root first."""
    file = find_files(path)[0]
    try:
        with file.filesystem.open_input_file(file.path) as raw, zipfile.ZipFile(raw) as archive:
            names = [info.filename for info in archive.infolist() if not info.filename.endswith("/")]
    except BROKEN as error:
        raise SourceError(
            f"{file.name} can't be read as zip ({first_line(error)}); fetch it again or name a folder"
        ) from error
    return sorted((name for name in names if not name.startswith("__MACOSX/")), key=lambda name: name.count("/"))


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
