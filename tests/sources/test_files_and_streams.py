import bz2
import gzip
import lzma
import os
import zipfile
from types import SimpleNamespace

import pytest
from pyarrow import fs

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import SplitFilesSource, TableSource
from hnlm_ray.sources import Rejects, read_interactions, source_files
from hnlm_ray.sources.ingest import source_identity
from hnlm_ray.sources.readers import files

TEXT = b"user_id,item_id\nu1,i1\nu2,i2\n"


def table(path, **options):
    return TableSource(format="table", interactions={"path": str(path), **options})


def users(path, **options):
    return [u for t in read_interactions(table(path, **options), Rejects()) for u in t["user_id"].to_pylist()]


@pytest.mark.parametrize(
    ("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("", bytes)]
)
def test_compression_by_name(tmp_path, ending, pack):
    path = tmp_path / f"r.csv{'.' * bool(ending)}{ending}"
    path.write_bytes(pack(TEXT))
    assert users(path) == ["u1", "u2"]


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_a_truncated_or_mislabelled_archive_is_a_typed_error(tmp_path, ending, pack):
    path = tmp_path / f"r.csv.{ending}"
    path.write_bytes(pack(TEXT * 1000)[:-10])
    with pytest.raises(SourceError, match=r"r.csv.\w+ is damaged after .* fetch it again"):
        users(path)
    path.write_bytes(TEXT)
    with pytest.raises(SourceError, match="is damaged after 0 readable bytes"):
        users(path)


def test_a_zip_with_one_data_file_and_clutter(tmp_path):
    path = tmp_path / "r.csv.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../etc/evil.csv", TEXT)
        archive.writestr("__MACOSX/._evil.csv", b"x")
        archive.writestr("folder/", b"")
    assert users(path) == ["u1", "u2"]
    assert os.listdir(tmp_path) == ["r.csv.zip"]


def test_a_zip_with_several_files_wants_a_member(tmp_path):
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", TEXT)
        archive.writestr("b.csv", TEXT)
    with pytest.raises(SourceError, match=r"holds 'a.csv', 'b.csv', but one data file is needed; name one in `member`"):
        users(path, format="csv")
    with pytest.raises(SourceError, match=r"'c.csv' is not one of them"):
        users(path, member="c.csv")
    assert users(path, member="b.csv") == ["u1", "u2"]
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(SourceError, match="can't be read as zip"):
        users(path, format="csv")


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("hnlm_ray.sources.readers.streams.EXPANSION_FREE_BYTES", 2**20)
    path = tmp_path / "r.csv.gz"
    path.write_bytes(gzip.compress(b"\n" * 40 * 2**20))
    with pytest.raises(SourceError, match="expands more than 200-fold"):
        users(path)


def test_globs_are_sorted_and_stay_in_their_folder(tmp_path):
    for name in ("b.csv", "a.csv", "sub/c.csv", "d.txt", "part-[1].csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(TEXT)
    assert [os.path.basename(f.name) for f in source_files(table(tmp_path / "?.csv"))] == ["a.csv", "b.csv"]
    assert len(source_files(table(tmp_path / "**/*.csv"))) == 4
    assert [os.path.basename(f.name) for f in source_files(table(tmp_path / "[!b].csv"))] == ["a.csv"]
    assert len(source_files(table(tmp_path / "part-[1].csv"))) == 1
    assert len(users(tmp_path / "[ab].csv")) == 4


def test_relative_globs_and_uris(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_bytes(TEXT)
    monkeypatch.chdir(tmp_path)
    assert [[f.name for f in source_files(table(path))] for path in ("*.csv", "./*.csv")] == [["a.csv"]] * 2
    assert users(f"file://{tmp_path}/a.csv") == ["u1", "u2"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("./*.csv", ["a.csv"]),
        ("./sub/*.csv", ["sub/b.csv", "sub/c.csv"]),
        ("sub//*.csv", ["sub/b.csv", "sub/c.csv"]),
        (".//sub/./?.csv", ["sub/b.csv", "sub/c.csv"]),
        ("sub/../*.csv", ["a.csv"]),
        ("./**/*.csv", ["a.csv", "sub/b.csv", "sub/c.csv"]),
        ("../here/sub/[b].csv", ["../here/sub/b.csv"]),
        ("{folder}//here/./sub/*.csv", ["{folder}/here/sub/b.csv", "{folder}/here/sub/c.csv"]),
        ("/{folder}/here/sub/b*.csv", ["{folder}/here/sub/b.csv"]),
        ("file://{folder}/here/sub//b*.csv", ["{folder}/here/sub/b.csv"]),
        ("./sub/b.csv", ["./sub/b.csv"]),
    ],
)
def test_a_place_may_be_spelt_in_many_ways(tmp_path, monkeypatch, pattern, names):
    (tmp_path / "here" / "sub").mkdir(parents=True)
    for name in ("a.csv", "sub/b.csv", "sub/c.csv"):
        (tmp_path / "here" / name).write_text("x")
    monkeypatch.chdir(tmp_path / "here")
    found = [file.path for file in files.find_files(pattern.format(folder=tmp_path))]
    assert found == [name.format(folder=tmp_path) for name in names]


def test_what_a_uri_with_a_query_reads_is_what_is_hashed(tmp_path, monkeypatch):
    asked = []

    def from_uri(uri):
        asked.append(uri)
        return fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "bucket"

    stand_in = SimpleNamespace(**{**vars(fs), "FileSystem": SimpleNamespace(from_uri=from_uri)})
    monkeypatch.setattr(files, "fs", stand_in)
    (tmp_path / "bucket").mkdir()
    for name in ("train.txt", "test.txt"):
        (tmp_path / "bucket" / name).write_text("0 1\n", encoding="utf-8")
    source = SplitFilesSource(format="ngcf", path="s3://bucket/?endpoint_override=minio:9000")
    assert [table.num_rows for table in read_interactions(source, Rejects())] == [1, 1]
    before = source_identity(SimpleNamespace(source=source))
    assert set(asked) == {"s3://bucket?endpoint_override=minio:9000"}
    (tmp_path / "bucket" / "test.txt").write_text("0 22\n", encoding="utf-8")
    assert source_identity(SimpleNamespace(source=source)) != before


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        ("s3://b/f/?region=x/y", "s3://b/f/u.data?region=x/y"),
        ("gs://b", "gs://b/u.data"),
        ("what?/", "what?/u.data"),
    ],
)
def test_the_query_of_a_folder_stays_behind_the_name_of_its_file(folder, path):
    assert files.file_in(folder, "u.data") == path


def test_what_is_not_there_is_said_with_the_remedy(tmp_path):
    with pytest.raises(SourceError, match=r"there is no file .*none.csv .*correct the path"):
        source_files(table(tmp_path / "none.csv"))
    with pytest.raises(SourceError, match="no file matches"):
        source_files(table(tmp_path / "*.csv"))
    with pytest.raises(SourceError, match=r"is a directory.*glob"):
        source_files(table(tmp_path))
    with pytest.raises(SourceError, match="can't reach nowhere://"):
        source_files(table("nowhere://user:secret@x/y.csv"))
    (tmp_path / "data.bin").write_bytes(TEXT)
    with pytest.raises(SourceError, match="can't tell the format"):
        users(tmp_path / "data.bin")


@pytest.mark.parametrize("pattern", ["**/" * 30 + "x.csv", "*" * 60 + "x.csv", "*a" * 40 + "x.csv"])
def test_a_glob_of_many_stars_takes_linear_time(tmp_path, pattern):
    folder = tmp_path / "/".join("a" * 20 for _ in range(20))
    folder.mkdir(parents=True)
    (folder / ("a" * 200 + ".csv")).write_bytes(TEXT)
    with pytest.raises(SourceError, match="no file matches"):
        files.find_files(f"{tmp_path}/{pattern}")


def test_what_is_no_glob_or_no_uri_is_told(tmp_path):
    (tmp_path / "r.csv").write_bytes(TEXT)
    with pytest.raises(SourceError, match=r"is no glob .*z-a"):
        files.find_files(f"{tmp_path}/[z-a].csv")
    with pytest.raises(SourceError, match="is no URI"):
        files.find_files("s3://[bucket/x.csv")


def test_names_that_are_not_utf8_are_told(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff.csv", "wb") as file:
        file.write(TEXT)
    with pytest.raises(SourceError, match="name the files one by one"):
        files.find_files(f"{tmp_path}/*.csv")


@pytest.mark.parametrize("encoding", ["base64", "rot13", "zlib", "a\0b", "\ud800", "", "x" * 5000])
def test_what_is_no_text_encoding_is_told(tmp_path, encoding):
    path = tmp_path / "r.csv"
    path.write_bytes(TEXT)
    with pytest.raises(SourceError, match=r"unknown encoding .* try utf-8"):
        users(path, encoding=encoding)


@pytest.mark.parametrize("time_format", ["%", "%Q", "%Y%Y", "\0"])
def test_a_time_format_that_reads_nothing_is_told_before_a_line_is_rejected(tmp_path, time_format):
    path = tmp_path / "r.csv"
    path.write_bytes(TEXT)
    with pytest.raises(SourceError, match=r"time_format .* can't be used"):
        users(path, columns={"timestamp": "item_id"}, time_format=time_format)
