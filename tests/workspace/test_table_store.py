"""Tables: what a kill can leave, what a reader sees, and file systems without rename."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs as pafs

from hnlm_ray.base.errors import InputError, WorkspaceError
from hnlm_ray.base.hashing import fingerprint_files
from hnlm_ray.workspace import Manifest, PublishedTables, Rows, Tokens, Workspace, listed
from hnlm_ray.workspace.stage import StageRun
from hnlm_ray.workspace.tables import TABLES

FIRST, SECOND = "a" * 64, "b" * 64


class NoRename(pafs.FileSystemHandler):
    """An object store: whole files only; rename, copy and append are errors. Keeps what is asked of it."""

    def __init__(self, inner):
        self.inner, self.asked = inner, []

    __hash__ = None

    def __eq__(self, other):
        return self is other

    def get_type_name(self):
        return "norename"

    def normalize_path(self, path):
        return path

    def get_file_info(self, paths):
        return self.inner.get_file_info(paths)

    def get_file_info_selector(self, selector):
        return self.inner.get_file_info(selector)

    def create_dir(self, path, recursive):
        self.inner.create_dir(path, recursive=recursive)

    def delete_dir(self, path):
        self.inner.delete_dir(path)

    def delete_dir_contents(self, path, missing_dir_ok=False):
        self.inner.delete_dir_contents(path, missing_dir_ok=missing_dir_ok)

    def delete_root_dir_contents(self):
        raise NotImplementedError

    def delete_file(self, path):
        self.inner.delete_file(path)

    def move(self, *_):
        raise NotImplementedError("rename")

    def copy_file(self, *_):
        raise NotImplementedError("copy")

    def open_input_stream(self, path):
        return self.inner.open_input_stream(path)

    def open_input_file(self, path):
        return self.inner.open_input_file(path)

    def open_output_stream(self, path, metadata):
        self.asked.append(path)
        return self.inner.open_output_stream(path, metadata=metadata)

    def open_append_stream(self, *_):
        raise NotImplementedError("append")


@pytest.fixture(params=["local", "subtree", "mock", "norename"])
def workspace(request, tmp_path):
    local = pafs.LocalFileSystem()
    filesystem, root = {
        "local": lambda: (local, str(tmp_path / "ws")),
        "subtree": lambda: (pafs.SubTreeFileSystem(str(tmp_path), local), "ws"),
        "mock": lambda: (pafs._MockFileSystem(), "bucket/ws"),
        "norename": lambda: (pafs.PyFileSystem(NoRename(local)), str(tmp_path / "ws")),
    }[request.param]()
    return Workspace(f"{request.param}://ws", filesystem, root)


def users(first, count):
    rows = [{"user": index, "user_id": f"u{index}"} for index in range(first, first + count)]
    return pa.Table.from_pylist(rows, schema=TABLES["users"])


def publish(store, fingerprint, *parts):
    files = tuple(store.write_part(fingerprint, f"part-{index}", part) for index, part in enumerate(parts))
    manifest = Manifest(
        table="users", stage="prepare", fingerprint=fingerprint, files=files, tokens=Tokens(tokens_in=1, tokens_out=2)
    )
    store.publish(manifest)
    return manifest


def cut(store, path, size):
    """Leave the first bytes of a file only, as a kill while writing does."""
    with store.filesystem.open_input_stream(f"{store.folder}/{path}") as stream:
        data = stream.read(size)
    with store.filesystem.open_output_stream(f"{store.folder}/{path}") as stream:
        stream.write(data)


def test_a_published_table_is_read_back(workspace):
    workspace.create()
    store = workspace.table("users")
    manifest = publish(store, FIRST, users(0, 3), users(3, 2))
    assert store.read().equals(pa.concat_tables([users(0, 3), users(3, 2)]))
    assert store.read(["user_id"]).column_names == ["user_id"]
    assert store.manifest() == manifest
    assert store.intact(manifest)
    assert len(store.paths()) == 2
    assert workspace.table("items").manifest() is None


def test_a_column_that_a_setting_asks_for_is_kept_and_read_by_its_name(workspace):
    store = workspace.table("interactions")
    rows = pa.Table.from_pylist([{"user": 0, "item": 1, "split": "train"}], TABLES["interactions"])
    weighed = rows.append_column("repeats", pa.array([3], pa.int32()))
    files = [store.write_part(FIRST, "part-0", rows), store.write_part(FIRST, "part-1", weighed)]
    assert store.read_parts(files).column_names == TABLES["interactions"].names
    assert store.read_parts(files[1:], ["item", "repeats"]).to_pylist() == [{"item": 1, "repeats": 3}]
    with pytest.raises(WorkspaceError, match="is damaged"):
        store.read_parts(files[:1], ["repeats"])


def test_parts_are_invisible_before_they_are_published(workspace):
    store = workspace.table("users")
    store.write_part(FIRST, "part-0", users(0, 3))
    with pytest.raises(WorkspaceError, match="hnlm run"):
        store.read()
    publish(store, FIRST, users(0, 2))
    store.write_part(SECOND, "part-0", users(0, 9))
    assert store.read().num_rows == 2


@pytest.mark.parametrize("size", [0, 3, 100])
def test_a_truncated_part_is_left_out_and_written_anew(workspace, size):
    store = workspace.table("users")
    store.write_part(FIRST, "chunk-0", users(0, 3))
    whole = store.write_part(FIRST, "chunk-1", users(3, 3))
    cut(store, whole.path, size)
    assert [file.path[-15:] for file in store.parts(FIRST)] == ["chunk-0.parquet"]
    store.write_part(FIRST, "chunk-1", users(3, 3))
    assert sum(file.rows for file in store.parts(FIRST)) == 6


def test_looking_at_parts_never_removes_what_a_writer_is_at(tmp_path):
    store = Workspace.open(str(tmp_path)).table("users")
    file = store.write_part(FIRST, "chunk-0", users(0, 3))
    cut(store, file.path, 5)
    store.parts(FIRST)
    assert (tmp_path / "tables" / "users" / file.path).stat().st_size == 5


@pytest.mark.parametrize("content", [b"", b"{", b'{"table": "users"}', b"\xff\xfe", b"null"])
def test_a_truncated_manifest_counts_as_not_published(workspace, content):
    store = workspace.table("users")
    publish(store, FIRST, users(0, 3))
    with store.filesystem.open_output_stream(f"{store.folder}/manifest.json") as stream:
        stream.write(content)
    assert store.manifest() is None
    with pytest.raises(WorkspaceError):
        store.read()


def test_a_missing_or_changed_file_is_noticed(workspace):
    store = workspace.table("users")
    manifest = publish(store, FIRST, users(0, 3))
    cut(store, manifest.files[0].path, 10)
    assert not store.intact(manifest)
    store.filesystem.delete_file(f"{store.folder}/{manifest.files[0].path}")
    assert not store.intact(manifest)
    with pytest.raises(WorkspaceError, match="not complete"):
        store.read()


def test_publishing_removes_what_other_fingerprints_left(workspace):
    store = workspace.table("users")
    publish(store, FIRST, users(0, 3))
    publish(store, SECOND, users(0, 4))
    assert store.read().num_rows == 4
    assert store.parts(FIRST) == ()


def test_the_manifest_is_written_last(tmp_path):
    handler = NoRename(pafs.LocalFileSystem())
    store = Workspace("norename://ws", pafs.PyFileSystem(handler), str(tmp_path)).table("users")
    publish(store, FIRST, users(0, 3))
    assert handler.asked[-1].endswith("manifest.json")


def test_columns_of_another_type_or_missing_are_refused(workspace):
    store = workspace.table("users")
    with pytest.raises(KeyError):
        store.write_part(FIRST, "part-0", pa.table({"user": [1]}))
    with pytest.raises(pa.ArrowInvalid):
        store.write_part(FIRST, "part-0", pa.table({"user": ["x"], "user_id": ["u"]}))


def test_an_empty_part_and_no_parts_keep_the_schema(workspace):
    store = workspace.table("users")
    publish(store, FIRST, users(0, 0))
    assert store.read().schema.equals(TABLES["users"])
    assert store.read_parts([]).schema.equals(TABLES["users"])


def test_equal_rows_give_equal_bytes(tmp_path):
    stores = [Workspace.open(str(tmp_path / name)).table("users") for name in ("a", "b")]
    for store in stores:
        store.write_part(FIRST, "part-0", users(0, 50))
    one, two = ((tmp_path / name / "tables/users" / FIRST[:16] / "part-0.parquet").read_bytes() for name in ("a", "b"))
    assert one == two
    assert pq.read_table(pa.BufferReader(one)).num_rows == 50


def test_a_store_travels_to_other_processes(tmp_path):
    import pickle

    store = Workspace.open(str(tmp_path)).table("users")
    publish(store, FIRST, users(0, 3))
    assert pickle.loads(pickle.dumps(store)).read().num_rows == 3


def test_a_stage_gets_the_store_of_its_output(tmp_path):
    run = StageRun(None, Workspace.open(str(tmp_path)), FIRST, None)
    assert run.output("users") == Workspace.open(str(tmp_path)).table("users")


def test_manifests_of_other_versions_are_read(workspace):
    store = workspace.table("users")
    manifest = publish(store, FIRST, users(0, 1))
    text = manifest.model_dump_json(by_alias=True).replace('"rows":{', '"new_field":[1],"rows":{"later":3,', 1)
    with store.filesystem.open_output_stream(f"{store.folder}/manifest.json") as stream:
        stream.write(text.encode())
    assert store.manifest().rows == Rows()


def test_a_folder_below_a_file_cannot_be_a_workspace(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    workspace = Workspace.open(str(tmp_path / "file" / "ws"))
    with pytest.raises(InputError, match="choose another with --workspace"):
        workspace.create()
    assert workspace.table("users").manifest() is None
    assert workspace.table("users").parts(FIRST) == ()


@pytest.mark.parametrize("uri", ["nonsense://bucket/x", "s3://", "gs://"])
def test_a_uri_that_cannot_be_opened_is_one_sentence(uri):
    with pytest.raises(InputError, match="use a local path"):
        Workspace.open(uri)


def test_what_may_not_be_read_is_one_sentence(tmp_path):
    class Closed:
        def get_file_info(self, path):
            return pafs.FileInfo(path, pafs.FileType.File)

        def open_input_stream(self, path, **_options):
            raise PermissionError(13, f"Failed to open {path}")

    workspace = Workspace("ws", Closed(), str(tmp_path))
    with pytest.raises(WorkspaceError, match=r"ws can't be read .*: give read permission"):
        workspace.read_json("session.json", Rows)
    with pytest.raises(WorkspaceError, match=r"can't be read .*: give read permission"):
        workspace.table("users").manifest()
    with pytest.raises(InputError, match=r"a\.csv can't be read .*: check its permissions"):
        fingerprint_files([(Closed(), "a.csv")])


class MadeMeanwhile(NoRename):
    """The first listing meets a folder that was made between Arrow's two looks."""

    def get_file_info_selector(self, selector):
        self.asked.append(selector.base_dir)
        if len(self.asked) == 1:
            raise FileNotFoundError(2, f"Cannot list directory '{selector.base_dir}'")
        return self.inner.get_file_info(selector)


def test_a_folder_that_another_process_makes_meanwhile_is_listed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("x")
    handler = MadeMeanwhile(pafs.LocalFileSystem())
    found = listed(pafs.PyFileSystem(handler), str(tmp_path / "folder"))
    assert [info.base_name for info in found] == ["file"]
    assert len(handler.asked) == 2
    assert listed(pafs.LocalFileSystem(), str(tmp_path / "none")) == []


def test_what_an_llm_read_and_wrote_is_told_for_each_table():
    spent = {"item_profiles": Tokens(tokens_in=30, tokens_out=12), "users": Tokens()}
    manifests = {
        name: Manifest(table=name, stage=name, fingerprint=FIRST, files=(), tokens=own) for name, own in spent.items()
    }
    assert PublishedTables(manifests).tokens == {"item_profiles": 42, "users": 0}
