"""Fingerprints: what a stage's output is made from, as one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from pyarrow import fs as pafs

from hnlm_ray.base.hashing import content_hash


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
