"""A workspace that anyone may have written: damaged manifests, locks, journals, parts, and files elsewhere."""

import contextlib
import json
import math
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bounds import bounded, cases
from damage import damaged, damages
from hypothesis import given
from hypothesis import strategies as st
from printing import check_printed

from hnlm_ray.base.errors import HnlmError, WorkspaceError
from hnlm_ray.finetune.checkpoints import Checkpoints
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.session import Beat, StageJournal

COMMANDS = (
    *(("status",), ("status", "--json"), ("results",), ("results", "--json"), ("show", "user", "u1")),
    *(("show", "item", "i2", "--json"), ("export", "negatives", "--force")),
)
ELSEWHERE = ["../../../secret.parquet", "../items/../../../secret.parquet", "{folder}/secret.parquet", "a/../b.parquet"]
SHARE = st.integers(0, 9999)
PIECES = st.tuples(SHARE, st.integers(1, 900), st.integers(0, 255))
VALUES = st.sampled_from(
    [
        *(-1, 0, 1.5, 2**63, 2**70, 10**4000, math.inf, -math.inf, math.nan, 1e308, None, True, "", "x" * 5000),
        *(
            "..",
            "../../secret.parquet",
            "/etc/passwd",
            "a\0b",
            "\x1b[2J",
            "\u202e",
            "\n",
            [],
            {},
            [[[[]]]],
            {"a": {"b": 1}},
        ),
    ]
)


def overwritten(data, share, length, byte):
    """Put one byte over a piece: who looks at sizes alone doesn't find it."""
    at = len(data) * share // 10_000
    return (data[:at] + bytes([byte]) * length + data[at + length :])[: len(data)]


def leaves(tree, path=()):
    yield path
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, (*path, key))


def replaced(data, share, value):
    """Put a value at one place of a JSON text."""
    tree = json.loads(data)
    places = list(leaves(tree))
    *way, last = places[1 + (len(places) - 1) * share // 10_000] if len(places) > 1 else ((),)
    node = tree
    for key in way:
        node = node[key]
    node[last] = value
    return json.dumps(tree).encode()


def one_of(folder, ending, which):
    found = (os.path.join(where, name) for where, _, names in os.walk(folder / "ws") for name in names)
    paths = sorted(path for path in found if path.endswith(ending or (".json", ".parquet")))
    return paths[len(paths) * which // 10_000]


@contextlib.contextmanager
def changed(path, change):
    """Let a file be changed for a while."""
    with open(path, "rb") as file:
        whole = file.read()
    try:
        with open(path, "wb") as file:
            file.write(change(whole))
        yield
    finally:
        with open(path, "wb") as file:
            file.write(whole)


@pytest.fixture(scope="module")
def locked(finished):
    """Let there be a lock and a journal as well."""
    folder, call = finished
    workspace = Workspace.open(str(folder / "ws"))
    workspace.write_json("session.json", Beat(host="elsewhere", pid=1, process_started=0, beat=0, token="t"))
    journal = StageJournal(fingerprint="0" * 64, seconds=1.0, error="gone", total=3)
    workspace.write_json("stages/comparison.json", journal)
    return folder, call


@cases(120)
@given(which=SHARE, command=st.sampled_from(COMMANDS), share=SHARE, value=VALUES)
def test_any_value_in_a_manifest_lock_or_journal_is_told_in_one_sentence(locked, which, command, share, value):
    folder, call = locked
    with changed(one_of(folder, ".json", which), lambda whole: replaced(whole, share, value)):
        check_printed(bounded("workspace", call, *command))


@cases(120)
@given(which=SHARE, command=st.sampled_from(COMMANDS[2:]), piece=PIECES)
def test_an_overwritten_part_is_told_in_one_sentence(locked, which, command, piece):
    folder, call = locked
    with changed(one_of(folder, ".parquet", which), lambda whole: overwritten(whole, *piece)):
        check_printed(bounded("workspace", call, *command))


@cases(60)
@given(which=SHARE, command=st.sampled_from(COMMANDS), found=damages)
def test_a_damaged_file_is_told_in_one_sentence(locked, which, command, found):
    folder, call = locked
    with changed(one_of(folder, "", which), lambda whole: damaged(whole, found)):
        check_printed(bounded("workspace", call, *command))


@cases(600)
@given(share=SHARE, value=VALUES, found=st.none() | damages)
def test_a_damaged_manifest_is_none_or_stays_in_its_folder(locked, share, value, found):
    folder, _ = locked
    store = Workspace.open(str(folder / "ws")).table("items")
    change = (lambda whole: replaced(whole, share, value)) if found is None else (lambda whole: damaged(whole, found))
    with changed(f"{store.folder}/manifest.json", change):
        manifest = bounded("manifest", store.manifest)
        assert manifest is None or isinstance(manifest, Manifest)
        for part in manifest.files if manifest else ():
            inside = os.path.realpath(f"{store.folder}/{part.path}")
            assert os.path.commonpath([inside, os.path.realpath(store.folder)]) == os.path.realpath(store.folder)
            assert part.rows >= 0
            assert part.bytes >= 0
        assert isinstance(bounded("manifest", store.read), pa.Table | HnlmError)


@cases(500)
@given(piece=PIECES, columns=st.sampled_from([None, ["item_id"]]))
def test_an_overwritten_part_is_read_or_refused(locked, piece, columns):
    folder, _ = locked
    store = Workspace.open(str(folder / "ws")).table("items")
    with changed(store.paths()[0], lambda whole: overwritten(whole, *piece)):
        assert isinstance(bounded("part", store.read, columns), pa.Table | WorkspaceError)


@pytest.mark.parametrize("place", ELSEWHERE)
def test_a_manifest_cannot_name_files_elsewhere(locked, place):
    folder, call = locked
    store = Workspace.open(str(folder / "ws")).table("items")
    secret = pa.Table.from_pylist([{"item": 0, "item_id": "secret", "title": "secret"}], store.schema)
    pq.write_table(secret, folder / "secret.parquet")
    part = {"path": place.format(folder=folder), "rows": 1, "bytes": os.path.getsize(folder / "secret.parquet")}
    change = {"files": [part]}
    with changed(f"{store.folder}/manifest.json", lambda whole: json.dumps({**json.loads(whole), **change}).encode()):
        with pytest.raises(WorkspaceError):
            store.read()
        for command in COMMANDS:
            assert "secret" not in check_printed(call(*command)).stdout


@cases(300)
@given(share=st.integers(0, 9999), value=VALUES, found=st.none() | damages)
def test_a_damaged_list_of_a_checkpoint_is_none_or_stays_in_its_folder(tmp_path, share, value, found):
    shutil.rmtree(tmp_path / "ws", ignore_errors=True)
    (tmp_path / "local").mkdir(exist_ok=True)
    (tmp_path / "local" / "weights.bin").write_bytes(b"12345")
    (tmp_path / "secret.bin").write_bytes(b"12345")
    checkpoints = Checkpoints(Workspace.open(str(tmp_path / "ws")), "abc")
    checkpoints.upload(7, str(tmp_path / "local"))
    checkpoints.commit(7, 1)
    path = tmp_path / "ws" / "checkpoints" / "abc" / "step-000007.json"
    whole = path.read_bytes()
    path.write_bytes(replaced(whole, share, value) if found is None else damaged(whole, found))
    latest = bounded("checkpoint", checkpoints.latest)
    if latest is not None and not isinstance(latest, HnlmError):
        assert latest.step == 7
        assert all(name.startswith("step-000007/") and ".." not in name for name in latest.files)
