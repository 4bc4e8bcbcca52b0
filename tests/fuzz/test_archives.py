"""Compressed files: truncated, corrupted, mislabelled, with odd members, and bombs."""

import bz2
import gzip
import io
import lzma
import os
import struct
import zipfile

import pytest
from bounds import bounded, cases
from damage import damaged, damages
from hypothesis import given
from hypothesis import strategies as st
from reading import read_all, source_of
from valid_files import VALID

from hnlm_ray.base.errors import SourceError

_, FILES = VALID["csv"]
EVENTS = FILES["events.csv"]
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
PACKED = {
    "gz": gzip.compress(EVENTS),
    "bz2": bz2.compress(EVENTS),
    "xz": lzma.compress(EVENTS),
    "twice.gz": gzip.compress(EVENTS) + gzip.compress(EVENTS.replace(b"u,i,r,t\n", b"")),
}


def zipped(members, method=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return data.getvalue()


for method in METHODS:
    PACKED[f"{method}.zip"] = zipped([("events.csv", EVENTS), ("__MACOSX/._events.csv", b"x")], method)


def read(folder, ending, data, share=1.0, **options):
    path = folder / f"e.csv.{ending.rsplit('.', 1)[-1]}"
    path.write_bytes(data)
    columns = {"user": "u", "item": "i", "rating": "r", "timestamp": "t"}
    tree = {"format": "table", "interactions": {"path": str(path), "columns": columns, **options}}
    return bounded("archive", read_all, source_of(tree, folder, share))


@pytest.mark.parametrize("kind", PACKED)
def test_the_undamaged_archive_is_read(tmp_path, kind):
    assert read(tmp_path, kind, PACKED[kind])["raw_interactions"]


@pytest.mark.parametrize("kind", PACKED)
@cases(125)
@given(found=damages, label=st.sampled_from(["", "", "", "gz", "bz2", "xz", "zip", "csv"]))
def test_a_damaged_or_mislabelled_archive_is_refused_or_read(tmp_path, kind, found, label):
    read(tmp_path, label or kind, damaged(PACKED[kind], found))


NAMES = (
    *("../../etc/passwd", "/etc/passwd", "..\\..\\x.csv", "C:\\x.csv", "a\0b.csv", "\u202egnp.csv", ".", "\x1b[2J.csv"),
    *("a/" * 500 + "x.csv", "x" * 60_000, ".hidden", "__MACOSX/x", "folder/", "é.csv", "events.csv"),
)


@cases(200)
@given(
    names=st.lists(st.one_of(st.sampled_from(NAMES), st.text(min_size=1, max_size=10)), max_size=4),
    wanted=st.none() | st.sampled_from(NAMES),
    nested=st.booleans(),
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_odd_members_leave_nothing_on_disk(tmp_path, names, wanted, nested):
    content = zipped([("events.csv", EVENTS)]) if nested else EVENTS
    read(tmp_path, "zip", zipped([(name, content) for name in names]), member=wanted)
    assert set(os.listdir(tmp_path)) == {"e.csv.zip"}


@pytest.mark.parametrize(("offset", "value"), [(8, 99), (6, 1), (6, 0x40), (26, 0), (26, 60_000)])
def test_headers_that_lie(tmp_path, offset, value):
    """Of both headers: method, encryption, strong encryption, length of the name."""
    data = bytearray(PACKED["8.zip"])
    central = data.index(b"PK\1\2")
    struct.pack_into("<H", data, central + offset + 2, value)
    struct.pack_into("<H", data, offset, value)
    assert isinstance(read(tmp_path, "zip", bytes(data)), SourceError)


def _endless(kind):
    """Pack 256 MiB of one letter, in a quarter of a megabyte or less."""
    piece = b"x" * 2**22
    if kind == "zip":
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("e.csv", "w") as member:
            for _ in range(64):
                member.write(piece)
        return data.getvalue()
    if kind == "xz":
        return lzma.compress(piece) * 64
    if kind == "bz2":
        return bz2.compress(piece) * 64
    return gzip.compress(piece) * 64


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zip"])
def test_a_decompression_bomb_is_refused_in_bounds(tmp_path, kind):
    outcome = read(tmp_path, kind, _endless(kind))
    assert isinstance(outcome, SourceError)
    assert "expands more than 200-fold" in str(outcome)


def test_a_line_of_a_gigabyte_is_one_bad_line(tmp_path):
    path = tmp_path / "e.csv"
    path.write_bytes(EVENTS)
    os.truncate(path, 2**30)  # the rest is NULs that take no place on disk
    columns = {"user": "u", "item": "i"}
    tree = {"format": "table", "interactions": {"path": str(path), "columns": columns}}
    rows = bounded("a line of 1 GiB", read_all, source_of(tree, tmp_path, 1.0))
    assert len(rows["raw_interactions"]) == 3


def test_a_packed_line_of_a_gigabyte_is_one_bad_line(tmp_path):
    noise = os.urandom(2**15).replace(b"\n", b"") + b"x" * (2**22 - 2**15)  # about 120-fold: no bomb
    data = gzip.compress(EVENTS) + gzip.compress(noise, 1) * 256
    assert len(read(tmp_path, "gz", data)["raw_interactions"]) == 3
