"""`hnlm export negatives`: what is in the file, when it is refused, and that nothing is left half written."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from hnlm_ray.base.csv_text import unescaped
from hnlm_ray.base.errors import InputError, WorkspaceError
from hnlm_ray.cli import app
from hnlm_ray.export import negatives as exported
from hnlm_ray.export.files import Target, Written, write_rows
from hnlm_ray.export.negative_sampler import PoolNegatives
from hnlm_ray.export.negatives import SCHEMA, pool_rows
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.tables import TABLES

IDS = ("a,b", 'say "hi"', "two\nlines", " 7 ", "NA", "\u202eé", "=1+1", "x\r\ny", "08")


@pytest.fixture
def call(small_pipeline, config_file):
    def call(*arguments, command=("export", "negatives")):
        return CliRunner().invoke(app, [*command, *arguments, "--config", str(config_file)])

    return call


@pytest.fixture
def ran(call):
    assert call(command=["run"]).exit_code == 0
    return call


def publish(workspace, name, parts):
    store = workspace.table(name)
    for number, rows in enumerate(parts):
        store.write_part("a" * 64, f"part-{number:05}", pa.Table.from_pylist(rows, schema=TABLES[name]))
    store.publish(Manifest(table=name, stage="x", fingerprint="a" * 64, files=store.parts("a" * 64)))


@pytest.fixture
def workspace(tmp_path):
    """A pool of two buckets: user u trains on item u; its negatives are the next items."""
    found = Workspace.open(str(tmp_path / "ws"))
    size = len(IDS)
    pool = [
        {
            "user": user,
            "item": user,
            "origin": ("own", "borrowed", "fallback")[user % 3],
            "negatives": [(user + n) % size for n in range(1, 3)] if user % 3 < 2 else [],
            "weights": [0.75, 0.25] if user % 3 < 2 else [],
            "sources": ["exact", "neighbour"] if user % 3 < 2 else [],
        }
        for user in range(size)
    ]
    publish(found, "users", [[{"user": n, "user_id": f"u{name}"} for n, name in enumerate(IDS)]])
    publish(found, "items", [[{"item": n, "item_id": name} for n, name in enumerate(IDS)]])
    publish(found, "negative_pool", [[row for row in pool if row["user"] % 2 == bucket] for bucket in (0, 1)])
    return found


def expected():
    order = [user for bucket in (0, 1) for user in range(len(IDS)) if user % 2 == bucket and user % 3 < 2]
    rows = []
    for user in order:
        origin = ("own", "borrowed")[user % 3]
        for step, weight, source in ((1, 0.75, "exact"), (2, 0.25, "neighbour")):
            rows.append((f"u{IDS[user]}", IDS[user], IDS[(user + step) % len(IDS)], weight, f"{origin}/{source}"))
    return rows


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("at_once", [1, 2, 16_384])
def test_odd_ids_come_back_as_they_were(workspace, tmp_path, kind, at_once, monkeypatch):
    monkeypatch.setattr(exported, "_PAIRS_AT_ONCE", at_once)
    path, escaped_cells = tmp_path / f"n.{kind}", 3 if kind == "csv" else 0
    assert write_rows(Target.named(str(path)), kind, SCHEMA, pool_rows(workspace)) == Written(12, escaped_cells)
    if kind == "csv":
        with path.open(encoding="utf-8", newline="") as stream:
            head, *rows = csv.reader(stream)
        assert head == SCHEMA.names
        assert any(cell == "'=1+1" for row in rows for cell in row)
        cells = [unescaped(pa.chunked_array([row[:3]])).to_pylist() for row in rows]
        found = [(*ids, float(row[3]), row[4]) for ids, row in zip(cells, rows, strict=True)]
    else:
        table = pq.read_table(path)
        assert table.schema.equals(SCHEMA)
        found = [tuple(row.values()) for row in table.to_pylist()]
    assert found == expected()
    assert [tuple(row.values()) for row in PoolNegatives.read(str(path)).rows.to_pylist()] == [
        row[:4] for row in expected()
    ]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([path.name, "ws"])


def test_indices_are_read_by_key_not_by_place(workspace, tmp_path):
    publish(workspace, "items", [[{"item": n, "item_id": IDS[n]} for n in reversed(range(len(IDS)))]])
    write_rows(Target.named(str(tmp_path / "n.parquet")), "parquet", SCHEMA, pool_rows(workspace))
    assert [tuple(row.values()) for row in pq.read_table(tmp_path / "n.parquet").to_pylist()] == expected()
    publish(workspace, "items", [[{"item": n + 1, "item_id": name} for n, name in enumerate(IDS)]])
    with pytest.raises(WorkspaceError, match="indices have gaps"):
        list(pool_rows(workspace))


def test_a_failed_export_leaves_the_old_file_and_nothing_else(tmp_path):
    def stopped():
        yield SCHEMA.empty_table()
        raise KeyboardInterrupt

    (tmp_path / "n.csv").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_rows(Target.named(str(tmp_path / "n.csv")), "csv", SCHEMA, stopped())
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("n.csv", "old")]


def test_a_pool_that_is_replaced_meanwhile_is_not_called_unwritable(workspace, tmp_path):
    rows = pool_rows(workspace)
    next(rows)
    for path in workspace.table("negative_pool").paths():
        Workspace.open("/").filesystem.delete_file(path)
    with pytest.raises(WorkspaceError, match=r"can't be read .* export after it"):
        write_rows(Target.named(str(tmp_path / "n.csv")), "csv", SCHEMA, rows)


# A pair that borrows a text may have a vector of its own: each item is told by its own origin.
SOURCES = {"own/fuzzy": 1, "borrowed/fuzzy": 1, "own/embedding": 2, "borrowed/embedding": 1}


def test_the_default_file_and_what_is_told(ran, tmp_path):
    done = ran()
    file = tmp_path / "ws" / "exports" / "negatives.parquet"
    assert (done.exit_code, done.stdout) == (0, "")
    told, *counts = done.stderr.splitlines()
    assert told == f"5 rows in {file}"
    assert sorted(line.split() for line in counts) == sorted([name, str(count)] for name, count in SOURCES.items())
    assert pq.read_table(file).to_pylist()[0] == {
        "user": "u1",
        "positive": "i0",
        "negative": "i2",
        "weight": 0.5,
        "source": "own/fuzzy",
    }


def test_json_and_the_format_by_the_file_s_ending(ran, tmp_path):
    for arguments, kind in (([], "csv"), (["--format", "parquet", "--force"], "parquet")):
        done = ran("--out", str(tmp_path / "mine.csv"), "--json", *arguments)
        assert json.loads(done.stdout) == {
            "file": str(tmp_path / "mine.csv"),
            "format": kind,
            "rows": 5,
            "escaped_cells": 0,
            "sources": SOURCES,
            "fresh": True,
            "reason": None,
        }
    assert pq.read_table(tmp_path / "mine.csv").num_rows == 5


def test_an_existing_file_is_replaced_only_by_force(ran, tmp_path):
    (tmp_path / "n.csv").write_text("mine")
    done = ran("--out", str(tmp_path / "n.csv"))
    assert done.exit_code == 2
    assert done.stderr == f"error: {tmp_path}/n.csv exists: choose another --out, or replace it with --force\n"
    assert (tmp_path / "n.csv").read_text() == "mine"
    assert ran("--out", str(tmp_path / "n.csv"), "--force").exit_code == 0
    assert (tmp_path / "n.csv").read_text().startswith('"user","positive","negative","weight","source"\n"u1"')


@pytest.mark.parametrize(("out", "told"), [("none/n.csv", "there is no folder"), (".", "is a folder: name a file")])
def test_places_that_can_t_be_written(ran, tmp_path, out, told):
    done = ran("--out", str(tmp_path / out))
    assert done.exit_code == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_full_disk_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="can't be written"):
        write_rows(Target.named("/dev/null/n.csv"), "csv", SCHEMA, [])


def test_before_a_run_it_says_what_to_do(call, tmp_path):
    done = call()
    assert (done.exit_code, done.stdout) == (1, "")
    assert "run `hnlm run`" in done.stderr
    call("ingest", command=["stage"])
    done = call()
    assert done.exit_code == 1
    assert f"there is no negative pool in {tmp_path}/ws yet: run `hnlm run`" in done.stderr


def test_a_pool_made_from_other_data_is_refused(ran, tmp_path):
    assert ran("ingest", "--set", "seed=7", command=["stage"]).exit_code == 0
    done = ran()
    assert done.exit_code == 1
    assert "was made from other data than is there now (interactions" in done.stderr
    assert not (tmp_path / "ws" / "exports").exists()


def test_a_pool_of_another_configuration_says_so(ran):
    done = ran("--json", "--set", "negatives.pairs_per_user=9")
    answer = json.loads(done.stdout)
    assert (answer["fresh"], answer["reason"]) == (False, "negatives: negatives.pairs_per_user: 3 -> 9")
    assert done.stderr.startswith(
        "note: this negative pool is not of the configuration given (negatives: negatives.pairs_per"
    )
