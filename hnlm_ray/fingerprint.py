"""Fingerprints: what a stage's output is made from, as one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from pyarrow import fs as pafs

from hnlm_ray.errors import SourceError
from hnlm_ray.workspace.folder import first_line

_BLOCK = 1 << 22


def fingerprint_of(parts: Mapping[str, object]) -> str:
    """Hash a JSON-able mapping; equal content gives equal hashes, whatever the order of keys."""
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_files(files: Sequence[tuple[pafs.FileSystem, str]]) -> str:
    """Hash files by name (without folder) and content: a moved or touched file stays the same."""
    digest = hashlib.sha256()
    for filesystem, path in files:
        digest.update(f"{path.rsplit('/', 1)[-1]}\0".encode(errors="surrogateescape"))
        digest.update(_content_hash(filesystem, path))
    return digest.hexdigest()


def _content_hash(filesystem: pafs.FileSystem, path: str) -> bytes:
    digest = hashlib.sha256()
    try:
        with filesystem.open_input_stream(path, compression=None) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise SourceError(f"{path} can't be read ({first_line(error)}): check its permissions") from error
    return digest.digest()
