"""Where raw files are: local paths, s3:// and gs:// URIs, globs. Everything is read through pyarrow filesystems."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from hnlm_ray.base.errors import SourceError
from hnlm_ray.base.text import first_line

_WILDCARD = re.compile(r"[*?\[]")
_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")


@dataclass(frozen=True)
class RawFile:
    """One file: where it lies, and the name that messages use (without the query of a URI, so no address)."""

    filesystem: fs.FileSystem
    path: str
    name: str


def find_files(path: str) -> list[RawFile]:
    """Resolve a path, URI or glob to its files, sorted by name.

    Raises
    ------
    SourceError
        When nothing is there, or a directory is.
    """
    filesystem, inner, prefix = _locate(path)
    info = _info(filesystem, inner, path)
    if info.type == fs.FileType.File:
        return [RawFile(filesystem, inner, prefix + inner)]
    if info.type == fs.FileType.Directory:
        raise SourceError(f"{path} is a directory, but a file is needed; name the file, or a glob such as {path}/*.csv")
    found = _matches(filesystem, inner, path) if _WILDCARD.search(inner) else []
    if not found:
        what = "no file matches" if _WILDCARD.search(inner) else "there is no file"
        raise SourceError(f"{what} {path} (working directory {os.getcwd()}); correct the path in the source section")
    return [RawFile(filesystem, inner, prefix + inner) for inner in sorted(found)]


def file_in(folder: str, name: str) -> str:
    """Return the path of a file in a folder; the query of a URI stays at its end."""
    place, query = split_query(folder)
    return f"{place.rstrip('/')}/{name}{query}"


def split_query(path: str) -> tuple[str, str]:
    """Return a path and the query of a URI with its '?'; a local path has none."""
    place, mark, query = path.partition("?") if _URI.match(path) else (path, "", "")
    return place, mark + query


def exists(path: str) -> bool:
    """Tell whether a file is at a path or URI (no glob)."""
    filesystem, inner, _ = _locate(path)
    return bool(_info(filesystem, inner, path).type == fs.FileType.File)


def _locate(path: str) -> tuple[fs.FileSystem, str, str]:
    """Return the filesystem, the path in it, and what goes before that path in a full name."""
    if not _URI.match(path):
        return fs.LocalFileSystem(), os.path.expanduser(path), ""
    uri = _split(path)
    root = f"{uri.scheme}://{uri.netloc}" + ("" if uri.netloc else "/") + (f"?{uri.query}" if uri.query else "")
    try:
        filesystem, base = fs.FileSystem.from_uri(root)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError(f"can't reach {uri.scheme}://{uri.hostname or ''}{uri.path}: {first_line(error)}") from error
    if isinstance(filesystem, fs.LocalFileSystem):
        return filesystem, uri.path, ""
    return filesystem, base.rstrip("/") + uri.path, f"{uri.scheme}://"


def _split(path: str) -> SplitResult:
    try:
        return urlsplit(path)
    except ValueError as error:
        raise SourceError(f"{path} is no URI ({error}); correct the path in the source section") from error


def _info(filesystem: fs.FileSystem, inner: str, shown: str) -> fs.FileInfo:
    try:
        return filesystem.get_file_info(inner)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError(
            f"can't look at {shown}: {first_line(error)}; correct the path in the source section"
        ) from error


def plain_path(path: str) -> str:
    """Return a local path without './', '//' and 'a/../', so that two spellings of one place are equal."""
    if _URI.match(path):
        return path
    plain = os.path.normpath(path)
    return f"/{plain.lstrip('/')}" if plain.startswith("/") else plain


def _matches(filesystem: fs.FileSystem, pattern: str, shown: str) -> list[str]:
    local = isinstance(filesystem, fs.LocalFileSystem)
    pattern = plain_path(pattern) if local else pattern
    folder = _WILDCARD.split(pattern, maxsplit=1)[0].rpartition("/")[0]
    base = folder or ("/" if pattern.startswith("/") else ".")
    recursive = "/" in pattern[len(folder) + 1 :]
    try:
        infos = filesystem.get_file_info(fs.FileSelector(base, recursive=recursive, allow_not_found=True))
        files = pa.array([plain_path(i.path) if local else i.path for i in infos if i.is_file], pa.string())
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: a file's name is not UTF-8
        raise SourceError(f"can't list {shown}: {first_line(error)}; name the files one by one") from error
    try:
        # Arrow's expressions take linear time, whatever the pattern; Python's may take years.
        matched: list[str] = files.filter(pc.match_substring_regex(files, _glob_regex(pattern))).to_pylist()
    except pa.ArrowInvalid as error:
        raise SourceError(
            f"{shown} is no glob ({first_line(error)}); correct the path in the source section"
        ) from error
    return matched


def _glob_regex(pattern: str) -> str:
    """Translate a glob: ``**/`` is any folders, ``*`` and ``?`` stay within one, ``[abc]`` is one of them."""
    pieces = re.split(r"(\*\*/|\*|\?|\[[^]/]+])", pattern)
    fixed = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    inner = "".join(_class(p) if p.startswith("[") and p.endswith("]") else fixed.get(p, re.escape(p)) for p in pieces)
    return rf"(?s)\A{inner}\z"


def _class(piece: str) -> str:
    inside = piece[1:-1].replace("\\", r"\\")
    return f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
