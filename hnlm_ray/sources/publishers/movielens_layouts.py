"""How the files of MovieLens are laid out: which files of a folder or zip, and which column holds what."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from typing import Any, Final

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import InteractionColumns, InteractionFile, ItemColumns, ItemFile
from hnlm_ray.sources.readers.files import exists, file_in, find_files, first_line, split_query
from hnlm_ray.sources.readers.streams import BROKEN

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
