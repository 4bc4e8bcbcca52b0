"""A big file is read once while it stays the same; nothing depends on being able to remember that."""

import os
import time

import pytest
from pyarrow import fs

from hnlm_ray.base import hashing as hashes
from hnlm_ray.base.hashing import content_hash

LOCAL = fs.LocalFileSystem()


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setattr(hashes, "REMEMBERED_FROM_BYTES", 4)
    monkeypatch.setattr(hashes, "SETTLED_AFTER_S", 0)
    monkeypatch.setenv("HNLM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def reads(monkeypatch):
    paths, read = [], hashes._hash
    monkeypatch.setattr(hashes, "_hash", lambda filesystem, path: paths.append(path) or read(filesystem, path))
    return paths


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("first", encoding="utf-8")
    os.utime(path, (1e9, 1e9))
    return path


def test_an_unchanged_file_is_read_once(cache, source, reads):
    assert content_hash(LOCAL, str(source)) == content_hash(LOCAL, str(source))
    assert len(reads) == 1


def test_a_change_is_seen_also_when_size_and_time_of_change_are_put_back(cache, source, reads):
    first = content_hash(LOCAL, str(source))
    time.sleep(0.02)
    source.write_text("other", encoding="utf-8")
    os.utime(source, (1e9, 1e9))
    assert content_hash(LOCAL, str(source)) != first
    assert len(reads) == 2


def test_what_changed_just_now_is_read_each_time(cache, source, reads, monkeypatch):
    monkeypatch.setattr(hashes, "SETTLED_AFTER_S", 60)
    content_hash(LOCAL, str(source))
    content_hash(LOCAL, str(source))
    assert len(reads) == 2


def test_small_files_are_not_remembered(cache, source, monkeypatch):
    monkeypatch.setattr(hashes, "REMEMBERED_FROM_BYTES", 6)
    content_hash(LOCAL, str(source))
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_or_is_damaged_changes_nothing(cache, source, reads):
    cache.write_text("a file", encoding="utf-8")
    assert content_hash(LOCAL, str(source)) == content_hash(LOCAL, str(source))
    assert len(reads) == 2
    cache.unlink()
    expected = content_hash(LOCAL, str(source))
    (kept,) = (cache / "content").iterdir()
    kept.write_bytes(b"half")
    assert content_hash(LOCAL, str(source)) == expected
    assert len(reads) == 4
