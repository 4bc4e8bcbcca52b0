"""Hashes: of files' content, and fingerprints of all that a stage's output is made from.

The hash of a file is remembered while its size and time of change stay, so big sources are read once: in the cache
folder (:func:`cache_folder`), a tiny file a hash. A file that changed just now is read each time, since a further
change may leave size and time as they are.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pyarrow import fs as pafs

from hnlm_ray.base.errors import SourceError
from hnlm_ray.base.text import first_line

log = logging.getLogger(__name__)
REMEMBERED_FROM_BYTES: Final = 1 << 20
SETTLED_AFTER_S: Final = 2.0
_BLOCK = 1 << 22
_DIGEST_BYTES = hashlib.sha256().digest_size


def content_hash(filesystem: pafs.FileSystem, path: str) -> bytes:
    """Return the SHA-256 of a file's content; a big file that has not changed is not read again.

    Raises
    ------
    SourceError
        When the file can't be read.
    """
    try:
        remembered = _place(filesystem, path)
        known = None if remembered is None else _recall(remembered)
        if known is not None:
            return known
        found = _hash(filesystem, path)
    except OSError as error:
        raise SourceError(f"{path} can't be read ({first_line(error)}): check its permissions") from error
    if remembered is not None:
        _remember(remembered, found)
    return found


def _hash(filesystem: pafs.FileSystem, path: str) -> bytes:
    digest = hashlib.sha256()
    with filesystem.open_input_stream(path, compression=None) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.digest()


def _place(filesystem: pafs.FileSystem, path: str) -> Path | None:
    """Return where a file's hash is remembered; None for a file that is small, just changed, or without a time."""
    info = filesystem.get_file_info(path)
    stamp, changed_ns = _stamp(filesystem, info)
    settled = 0 < changed_ns < (time.time() - SETTLED_AFTER_S) * 1e9
    if not settled or (info.size or 0) < REMEMBERED_FROM_BYTES:
        return None
    key = json.dumps([filesystem.type_name, *stamp, info.size, info.mtime_ns])
    return cache_folder() / "content" / hashlib.sha256(key.encode()).hexdigest()


def _stamp(filesystem: pafs.FileSystem, info: pafs.FileInfo) -> tuple[list[str | int], int]:
    """Return what tells a file from others, and when it changed; a local one's times can be set, but not its ctime."""
    if not isinstance(filesystem, pafs.LocalFileSystem):
        return [info.path], info.mtime_ns or 0
    found = os.stat(info.path)
    return [os.path.abspath(info.path), found.st_ino, found.st_ctime_ns], max(found.st_ctime_ns, found.st_mtime_ns)


def _recall(place: Path) -> bytes | None:
    try:
        digest = place.read_bytes()
    except OSError:
        return None
    return digest if len(digest) == _DIGEST_BYTES else None


def _remember(place: Path, digest: bytes) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as scratch:
            scratch.write(digest)
        os.replace(scratch.name, place)
    except OSError as error:
        log.debug("the hash of a file can't be kept in %s (%s): it is computed again next time", place.parent, error)


def fingerprint_of(parts: Mapping[str, object]) -> str:
    """Hash a JSON-able mapping; equal content gives equal hashes, whatever the order of keys."""
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_files(files: Sequence[tuple[pafs.FileSystem, str]]) -> str:
    """Hash files by name (without folder) and content: a moved or touched file stays the same."""
    digest = hashlib.sha256()
    for filesystem, path in files:
        digest.update(f"{path.rsplit('/', 1)[-1]}\0".encode(errors="surrogateescape"))
        digest.update(content_hash(filesystem, path))
    return digest.hexdigest()


def cache_folder() -> Path:
    """Return the folder of converted checkpoints: ``$HNLM_CACHE``, else ``~/.cache/hnlm_ray``."""
    base = os.environ.get("HNLM_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "hnlm_ray")
    return Path(base).expanduser()
