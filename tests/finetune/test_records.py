"""Which pairs become records, for whom, with what in them."""

import io
import math
from collections import Counter

import numpy as np
import one_ray
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.progress import LineProgress
from hnlm_ray.config import Config, RecordsConfig
from hnlm_ray.finetune.records import Known, balanced_draw, held_out, make_record, random_items
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.stage import StageRun
from hnlm_ray.workspace.tables import TABLES

USERS, ITEMS, BUCKETS = 30, 40, 3
LLM = {"attempts": 1, "tokens_in": 1, "tokens_out": 1, "prompt_version": "p", "model": "m"}
LLM |= {"prompt_cut": 0, "prompt_defused": False}


@given(st.dictionaries(st.integers(0, 8), st.integers(1, 5), min_size=1), st.integers(1, 40), st.integers(0, 3))
def test_each_user_s_first_pair_comes_before_any_user_s_second(sizes, most, seed):
    pairs = [(user, item) for user, size in sizes.items() for item in range(size)]
    drawn = [pair for _, _, pair in balanced_draw(pairs, most, seed)]
    assert len(drawn) == len(set(drawn)) == min(most, len(pairs))
    of_user = Counter(user for user, _ in drawn)
    fullest = max(of_user.values())
    assert all(of_user[user] >= min(size, fullest - 1) for user, size in sizes.items())
    assert [pair for _, _, pair in balanced_draw(reversed(pairs), most, seed)] == drawn


def test_draws_of_parts_merge_to_the_draw_of_the_whole():
    pairs = [(user, item) for user in range(12) for item in range(user % 4 + 1)]
    parts = [balanced_draw([pair for pair in pairs if pair[0] % 3 == part], 7, 1) for part in range(3)]
    assert sorted(one for part in parts for one in part)[:7] == balanced_draw(pairs, 7, 1)
    assert balanced_draw(pairs, 7, 1) != balanced_draw(pairs, 7, 2)


def test_about_the_share_is_held_out_and_a_user_s_side_does_not_hang_on_others():
    away = held_out(range(4000), 0.15, 1)
    assert 0.12 < len(away) / 4000 < 0.18
    assert held_out(range(2000), 0.15, 1) == {user for user in away if user < 2000}
    assert held_out(range(4000), 0.15, 2) != away


@given(
    st.sets(st.integers(0, 1000), min_size=2, max_size=5), st.sampled_from([1e-9, 0.15, 0.999999]), st.integers(0, 9)
)
def test_both_sides_have_a_user(users, share, seed):
    assert 0 < len(held_out(users, share, seed)) < len(users)


def test_one_user_cannot_be_split():
    with pytest.raises(InputError, match=r"of 1 users can't be split .* lower teacher.guard_margin"):
        held_out([3], 0.5, 1)


@given(st.integers(1, 60), st.sets(st.integers(0, 70), max_size=60), st.integers(0, 6), st.integers(0, 5))
def test_random_items_are_different_usable_and_allowed(size, forbidden, wanted, seed):
    usable = np.arange(0, 2 * size, 2)
    allowed = set(usable.tolist()) - forbidden
    drawn = random_items(usable, np.array(sorted(forbidden), np.int64), wanted, np.random.default_rng(seed))
    assert len(drawn) == len(set(drawn)) == min(wanted, len(allowed))
    assert set(drawn) <= allowed


def test_random_items_are_uniform():
    draw = np.random.default_rng(0)
    counts = Counter(item for _ in range(4000) for item in random_items(np.arange(20), np.array([3]), 2, draw))
    assert counts[3] == 0
    assert all(abs(counts[item] - 8000 / 19) < 100 for item in range(20) if item != 3)


def known(**changes):
    items = {n: {"item": n, "title": f"T{n}", "attributes": [("genre", "x")], "text": None} for n in range(ITEMS)}
    parts = {
        "items": items,
        "item_profiles": {2: {"summary": "a\nprofile"}},
        "user_profiles": {1: {"summary": "likes \u202e films " * 50}},
        "train": {1: (2, 3, 4)},
        "usable": np.arange(ITEMS),
    }
    return Known(**{**parts, **changes})


def test_a_record_has_the_nearest_mined_item_its_rank_and_the_teacher_s_certainty():
    mined = {"user": 1, "item": 2, "negatives": [9, 8], "ranks": [23, 11], "leads": [1.5, 9.0], "guarded": 0}
    record = make_record(mined, known(), "lightgcn", RecordsConfig(user_chars=20), 1)
    assert (record["target"], record["provenance"]) == (9, "lightgcn rank 23")
    assert record["weight"] == pytest.approx(1 / (1 + math.exp(-1.5)))
    assert record["negatives"][0] == 2
    assert len(set(record["negatives"])) == 5
    assert not set(record["negatives"][1:]) & {2, 3, 4, 8, 9}
    assert record["item_text"] == "T2: a profile"
    assert record["user_text"].startswith("likes films likes")
    assert len(record["user_text"]) <= 20
    assert record == make_record(mined, known(), "lightgcn", RecordsConfig(user_chars=20), 1)
    other = make_record(mined, known(), "lightgcn", RecordsConfig(user_chars=20), 2)
    assert other["negatives"][1:] != record["negatives"][1:]


def test_items_without_vector_are_no_negatives_and_texts_may_be_missing():
    mined = {"user": 1, "item": 5, "negatives": [9], "ranks": [1], "leads": [0.0], "guarded": 0}
    bare = {"item": 5, "title": None, "attributes": None, "text": None}
    lacking = known(user_profiles={}, items={5: bare}, usable=np.array([3, 9, 11, 12]), train={1: (3, 5)})
    record = make_record(mined, lacking, "own", RecordsConfig(), 1)
    assert set(record["negatives"]) == {5, 11, 12}
    assert (record["user_text"], record["item_text"], record["weight"]) == ("", "", 0.5)


def publish(workspace, name, parts):
    store = workspace.table(name)
    for number, rows in enumerate(parts):
        store.write_part("a" * 64, f"part-{number:05}", pa.Table.from_pylist(rows, schema=TABLES[name]))
    store.publish(Manifest(table=name, stage="x", fingerprint="a" * 64, files=store.parts("a" * 64)))


def in_buckets(rows):
    return [[row for row in rows if row["user"] % BUCKETS == bucket] for bucket in range(BUCKETS)]


def written(folder, pairs_of=lambda user: 4 if user else 0):
    """Published tables: user u trains on items u+1..u+5; the last item has no vector; odd users have a profile."""
    workspace = Workspace.open(str(folder))
    train = [{"user": u, "item": (u + n) % ITEMS, "split": "train"} for u in range(USERS) for n in range(1, 6)]
    test = [{"user": u, "item": (u + 9) % ITEMS, "split": "test"} for u in range(USERS)]
    mined = [
        {
            "user": user,
            "item": item,
            "negatives": [] if place == 3 else [(user + 6) % ITEMS, (user + 7) % ITEMS],
            "ranks": [] if place == 3 else [12, 10],
            "leads": [] if place == 3 else [place / 2, 1.0],
            "guarded": 0,
        }
        for user in range(USERS)
        for place, item in enumerate(sorted((user + n) % ITEMS for n in range(1, 6))[: pairs_of(user)])
    ]
    vectors = [{"item": n, "vector": None if n == ITEMS - 1 else [float(n)]} for n in range(ITEMS)]
    publish(workspace, "interactions", in_buckets(sorted(train + test, key=lambda row: (row["user"], row["item"]))))
    publish(workspace, "items", [[{"item": n, "item_id": f"i{n}", "title": f"Title {n}"} for n in range(ITEMS)]])
    publish(workspace, "item_profiles", [[{"item": 3, "summary": "of three", "status": "ok", **LLM}]])
    summaries = [{"user": u, "summary": f"user {u}" if u % 2 else None, "status": "ok", **LLM} for u in range(USERS)]
    publish(workspace, "user_profiles", in_buckets(summaries))
    publish(workspace, "mined_negatives", in_buckets(mined))
    publish(workspace, "teacher_items", [vectors[:9], vectors[9:]])
    return workspace


def stage_run(workspace, **records):
    config = Config.model_validate(
        {"name": "x", "workspace": workspace.uri, "source": {"format": "movielens_100k"}, "records": records}
    )
    return StageRun(config, workspace, "b" * 64, LineProgress(Console(file=io.StringIO())))


def made(run):
    from hnlm_ray.finetune.records import make_records

    outcome = make_records(run)
    store = run.output("supervision_records")
    return outcome, store.read_parts(store.parts(run.fingerprint))


@pytest.fixture(scope="module")
def local_ray():
    one_ray.start()


@pytest.mark.real
@pytest.mark.usefixtures("local_ray")
class TestStage:
    """The stage on hand-written tables."""

    def test_records_of_all_pairs(self, tmp_path):
        outcome, table = made(stage_run(written(tmp_path)))
        assert table.schema.equals(TABLES["supervision_records"])
        rows = table.to_pylist()
        keys = [(row["user"], row["item"]) for row in rows]
        assert keys == sorted(set(keys))
        assert len(rows) == outcome.rows.ok == 3 * (USERS - 1)
        sides = {split: {row["user"] for row in rows if row["split"] == split} for split in ("train", "held_out")}
        assert sides["train"]
        assert sides["held_out"]
        assert not sides["train"] & sides["held_out"]
        for row in rows:
            user = row["user"]
            assert row["target"] == (user + 6) % ITEMS
            mine = {(user + n) % ITEMS for n in range(1, 8)}
            assert row["negatives"][0] == row["item"] in mine
            assert not set(row["negatives"][1:]) & (mine | {ITEMS - 1})
            assert row["user_text"] == (f"user {user}" if user % 2 else "")
            assert row["item_text"] == f"Title {row['item']}" + (": of three" if row["item"] == 3 else "")
            assert 0.5 <= row["weight"] < 1
            assert row["provenance"] == "lightgcn rank 12"
        counts = outcome.counts
        assert (counts["train"], counts["held_out"]) == tuple(
            sum(row["split"] == split for row in rows) for split in ("train", "held_out")
        )
        assert counts["users"] == USERS - 1
        assert counts["without_user_text"] == sum(not row["user_text"] for row in rows) > 0
        assert counts["without_item_text"] == counts["with_fewer_random_items"] == 0

    def test_at_most_so_many_from_as_many_users_as_can_be(self, tmp_path):
        run = stage_run(written(tmp_path), most=40)
        outcome, table = made(run)
        of_user = Counter(table["user"].to_pylist())
        assert outcome.rows.ok == table.num_rows == 40
        assert set(of_user.values()) == {1, 2}
        assert len(of_user) == USERS - 1
        assert table.equals(made(run)[1])

    def test_nothing_mined_says_what_to_change(self, tmp_path):
        workspace = written(tmp_path, pairs_of=lambda user: 0)
        with pytest.raises(
            InputError, match=r"nothing to learn from: lower teacher.guard_margin, widen teacher.window"
        ):
            made(stage_run(workspace))
