"""`hnlm recommend` and the exports of the model: known users, users left out, new users; ids that bite."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from hnlm_ray.base.csv_text import unescaped
from hnlm_ray.cli import app
from hnlm_ray.commands.show.recommend import _reason
from hnlm_ray.config import PrepareConfig
from hnlm_ray.recommend.model_tables import ModelRows, model_table
from hnlm_ray.teacher.own_vectors import read_own
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.tables import TABLES

USERS, ITEMS, K = 12, 10, 3
PREPARE = {"min_rating": 4.0, "user_core": 3, "item_core": 1}
EVIL = "\x1b[2J=1+1"
ITEM_IDS = [f"i{n}" for n in range(ITEMS - 3)] + ["a,b", EVIL, "cold"]
USER_IDS = [f"u{n}" for n in range(USERS - 1)] + ["@sum"]


def published(workspace, name, parts, **manifest):
    store = workspace.table(name)
    for number, rows in enumerate(parts):
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows, schema=TABLES[name])
        store.write_part("a" * 64, f"part-{number:05}", table)
    made = {"stage": name, "files": store.parts("a" * 64), **manifest}
    store.publish(Manifest(table=name, fingerprint="a" * 64, **made))


def liked(user):
    """Users like the even or the odd items, five of each, but one item nobody has."""
    return [item for item in range(user % 2, ITEMS - 1, 2) if item != (user // 2) % ITEMS]


def raw():
    rows = [(f"lost{n}", item, 5.0) for n in (1, 2) for item in ("i0", "i2")[:n]]
    rows += [("hater", "i0", 1.0), ("stranger", "gone", 5.0), ("\x1b[31mred", "i1", 5.0)]
    return [{"user_id": user, "item_id": item, "rating": rating} for user, item, rating in rows]


def vectors(names, size):
    """Two tastes: the parity of the index, and a little noise."""
    draw = np.random.default_rng(names)
    parity = np.arange(size) % 2
    return np.stack([1 - parity, parity], axis=1).astype(np.float32) + draw.normal(size=(size, 2), scale=0.1)


@pytest.fixture
def workspace(tmp_path):
    found = Workspace.open(str(tmp_path / "ws"))
    depends = {f"prepare.{name}": value for name, value in PREPARE.items()}
    prepared = {"stage": "prepare", "depends_on": depends, "inputs": {"raw_interactions": "a" * 64}}
    prepared["counts"] = {"users_before": USERS + 4, "users": USERS}
    published(found, "raw_interactions", [raw()])
    published(found, "users", [[{"user": n, "user_id": name} for n, name in enumerate(USER_IDS)]], **prepared)
    items = [{"item": n, "item_id": name, "title": f"{name}!"} for n, name in enumerate(ITEM_IDS)]
    published(found, "items", [items], **prepared)
    buckets = [range(0, USERS, 2), range(1, USERS, 2)]
    rows = [[{"user": u, "item": i, "split": "train"} for u in users for i in liked(u)] for users in buckets]
    published(found, "interactions", rows, **prepared)
    degree = np.bincount([item for user in range(USERS) for item in liked(user)], minlength=ITEMS)
    of_users, of_items = (vectors(n, size).astype(np.float32) for n, size in ((1, USERS), (2, ITEMS)))
    counts = {"method": "mf-rns", "train_on": "all", "positives": int(degree.sum()), "cold_items": 1}
    made = {"stage": "final_model", "counts": counts}
    parts = [ModelRows(np.array(users), of_users[users], np.full(len(users), 4)) for users in map(list, buckets)]
    published(found, "model_users", [model_table("model_users", part) for part in parts], **made)
    rows = ModelRows(np.arange(ITEMS), of_items, degree)
    published(found, "model_items", [model_table("model_items", rows)], **made)
    listed = [[{"user": u, "rank": r, "item": r, "score": 1 / r} for u in b for r in (1, 2, 3)] for b in buckets]
    done = {"depends_on": {"recommend.k": K}, "counts": {"users": USERS, "short_lists": 0, "cold_items": 1}}
    published(found, "recommendations", listed, **done)
    return found


@pytest.fixture
def call(workspace, config_file):
    def call(*arguments, command="recommend"):
        return CliRunner().invoke(app, [command, *arguments, "--config", str(config_file), "--set", f"recommend.k={K}"])

    return call


@pytest.fixture
def answer(call):
    def answer(*arguments):
        done = call(*arguments, "--json")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    return answer


def ids(found):
    return [row["item_id"] for row in found["recommendations"]]


def test_a_known_user_gets_the_table_s_list(answer):
    found = answer("--user", "u3")
    assert (found["user"], found["basis"], found["known_items"], found["note"]) == ("u3", "model", 4, None)
    assert found["recommendations"][0] == {
        "rank": 1,
        "item": 1,
        "item_id": "i1",
        "title": "i1!",
        "score": 1.0,
        "positives": found["recommendations"][0]["positives"],
    }
    assert ids(found) == ["i1", "i2", "i3"]
    assert found["fresh"] is False


def test_what_was_chosen_before_is_listed_where_it_is_kept(answer, call):
    assert not set(ids(answer("--user", "u3", "-k", "9"))) & {ITEM_IDS[item] for item in liked(3)}
    keep = ("--set", "recommend.seen=keep")
    for arguments in (("--user", "u3"), ("--user", "u3", "-k", "9")):
        found = json.loads(call(*arguments, *keep, "--json").stdout)
        assert set(ids(found)) & {ITEM_IDS[item] for item in liked(3)}
    assert "i2" in ids(json.loads(call("--history", "i2", *keep, "-k", "9", "--json").stdout))


def test_a_user_without_an_early_positive_is_told_so():
    kept = pa.table({"item_id": ["i0", "i2"]})
    config = PrepareConfig(user_core=1, split={"method": "time"})
    told = _reason(config, 3, kept, ["i0"])
    assert told.startswith("not in the model: 2 positives, 1 of items in the model: none of them is early enough")


def test_another_length_is_computed_from_the_vectors_without_what_was_seen(answer, workspace):
    found = answer("--user", "u3", "-k", "9")
    users, items = (workspace.table(f"model_{side}").read().to_pylist() for side in ("users", "items"))
    vector = next(row["vector"] for row in users if row["user"] == 3)
    score = {row["item"]: float(np.dot(row["vector"], vector)) for row in items if row["positives"]}
    wanted = sorted(set(score) - set(liked(3)), key=lambda item: -score[item])
    assert ids(found) == [ITEM_IDS[item] for item in wanted]
    assert found["recommendations"][0]["item"] == 1  # the item of the own taste that was left


def test_a_user_below_the_core_is_folded_in_and_told_why(answer):
    found = answer("--user", "lost2")
    assert (found["basis"], found["known_items"]) == ("fold_in", 2)
    assert found["note"] == "not in the model: 2 positives of 2 interactions, prepare.user_core 3"
    assert {row["item"] % 2 for row in found["recommendations"]} == {0}
    assert not {"i0", "i2", "cold"} & set(ids(found))


@pytest.mark.parametrize(("user", "why"), [("hater", "0 positives of 1"), ("stranger", "1 positives of 1")])
def test_a_user_without_a_known_item_gets_what_is_popular(answer, user, why):
    found = answer("--user", user)
    assert (found["basis"], found["known_items"]) == ("popular", 0)
    assert why in found["note"]
    assert "cold" in found["note"]
    positives = [row["positives"] for row in found["recommendations"]]
    assert positives == sorted(positives, reverse=True)
    assert all(row["score"] is None for row in found["recommendations"])


def test_nobody_of_that_id_names_close_ids(call):
    done = call("--user", "u33")
    assert done.exit_code == 2
    assert "there is no user 'u33': close ids are 'u3'" in done.stderr


def test_a_history_is_folded_in_and_unknown_ids_are_named(answer):
    found = answer("--history", "i1,i3,nope", "--history", "a,b", "-k", "2")
    assert (found["user"], found["basis"], found["known_items"]) == (None, "fold_in", 3)
    assert found["unknown_items"] == ["nope"]
    assert found["note"] == "not items of the model, left out: nope"
    assert found["recommendations"][0]["item"] == 5  # the one of their taste that is not among them


def test_a_history_of_cold_items_gets_what_is_popular(answer):
    found = answer("--history", "cold")
    assert (found["basis"], found["known_items"], len(found["recommendations"])) == ("popular", 0, K)
    assert "cold" not in ids(found)


def test_a_history_without_any_item_and_two_questions_at_once_are_refused(call):
    done = call("--history", "i99")
    assert done.exit_code == 2
    assert "there is no item 'i99': close ids are" in done.stderr
    done = call("--history", "i1", "--user", "u1")
    assert done.exit_code == 2
    assert "exclude each other" in done.stderr


def test_hostile_names_move_no_cursor(call):
    done = call("--history", "i1", "-k", "9")
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "\\x1b[2J=1+1" in done.stdout
    assert "\x1b" not in call("--user", "\x1b[31mred").stdout
    assert "\x1b" not in call("--user", "\x1b[31mnobody").stderr


def test_before_there_is_a_model_it_says_what_to_run(call, workspace):
    workspace.delete("tables/model_items/manifest.json")
    done = call("--user", "u1")
    assert done.exit_code == 1
    assert "there is no final model" in done.stderr
    assert "hnlm recommend" in done.stderr


def test_lists_are_exported_with_ids_and_titles(call, workspace, tmp_path):
    done = call("recommendations", "--json", "--out", str(tmp_path / "r.parquet"), command="export")
    answer = json.loads(done.stdout)
    assert (answer["rows"], answer["escaped_cells"], answer["format"]) == (USERS * K, 0, "parquet")
    rows = pq.read_table(tmp_path / "r.parquet").to_pylist()
    assert rows[0] == {"user_id": "u0", "rank": 1, "item_id": "i1", "title": "i1!", "score": 1.0}
    done = call("recommendations", "--json", "--out", str(tmp_path / "r.csv"), command="export")
    assert json.loads(done.stdout)["escaped_cells"] == K
    text = (tmp_path / "r.csv").read_text()
    assert '"\'@sum"' in text
    assert '"@sum"' not in text
    told = call("recommendations", "--out", str(tmp_path / "r.csv"), "--force", command="export").stderr
    assert "3 cells got a leading '" in told
    assert unescaped(pa.chunked_array([["'@sum"]])).to_pylist() == ["@sum"]


@pytest.mark.parametrize("kind", ["parquet", "npy"])
def test_vectors_are_exported_as_own_embeddings_are_read(call, workspace, tmp_path, kind):
    folder = tmp_path / "vectors"
    done = call("embeddings", "--json", "--format", kind, "--out", str(folder), command="export")
    assert done.exit_code == 0, done.stderr
    assert {name: json.loads(done.stdout)[name] for name in ("users", "items")} == {"users": USERS, "items": ITEMS}
    known = [pa.array(names) for names in (USER_IDS, ITEM_IDS)]
    for side, key, own in zip(("users", "items"), ("user", "item"), read_own(str(folder), *known), strict=True):
        rows = sorted(workspace.table(f"model_{side}").read().to_pylist(), key=lambda row: row[key])
        np.testing.assert_array_equal(own.vectors.matrix, np.array([row["vector"] for row in rows], np.float32))
    again = call("embeddings", "--format", kind, "--out", str(folder), command="export")
    assert again.exit_code == 2
    assert "--force" in again.stderr


def test_an_id_of_two_lines_needs_parquet_and_nothing_is_left(call, workspace, tmp_path):
    rows = workspace.table("items").read().to_pylist()
    rows[0]["item_id"] = "two\nlines"
    manifest = workspace.table("items").published()
    published(workspace, "items", [rows], **manifest.model_dump(include={"stage", "depends_on", "inputs"}))
    done = call("embeddings", "--format", "npy", "--out", str(tmp_path / "v"), command="export")
    assert done.exit_code == 2
    assert "use --format parquet" in done.stderr
    assert list((tmp_path / "v").iterdir()) == []


@pytest.mark.parametrize(("name", "kind"), [("embeddings", "csv"), ("negatives", "npy"), ("recommendations", "npy")])
def test_a_format_that_does_not_fit_is_refused(call, name, kind):
    done = call(name, "--format", kind, command="export")
    assert done.exit_code == 2
    assert f"{name} can't be written as {kind}" in done.stderr
