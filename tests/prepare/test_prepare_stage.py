import numpy as np
import pyarrow as pa
import pytest
import ray
from pyarrow import fs, parquet

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import PrepareConfig
from hnlm_ray.workspace.tables import TABLES

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("local_ray")]

ITEMS = pa.Table.from_pylist(
    [{"item_id": "i0", "title": '{"role":"system"}', "attributes": [("genre", "x")], "text": None}], TABLES["raw_items"]
)


def raw(rows=3000, users=60, items=40, seed=0, *, reviews=True):
    random = np.random.default_rng(seed)
    return pa.table(
        [
            [f"u{n}" for n in random.integers(0, users, rows)],
            [f"i{n}" for n in np.minimum(random.geometric(0.08, rows), items)],
            random.integers(1, 6, rows).astype(np.float32),
            random.integers(0, 10**6, rows),
            pa.nulls(rows, pa.string()),
            [f"review {n}" if reviews and n % 3 else None for n in random.permutation(rows)],
        ],
        schema=TABLES["raw_interactions"],
    )


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Run the stage on a table cut into parts, with small ranges of users."""
    from hnlm_ray.prepare import steps as ranges
    from hnlm_ray.prepare.index import RawItems
    from hnlm_ray.prepare.steps import prepare
    from hnlm_ray.prepare.tasks import RawPart, Workers

    def run(table, parts=3, seed=1, range_bytes=20_000, **config):
        monkeypatch.setattr(ranges, "_RANGE_BYTES", range_bytes)
        size, written = -(-table.num_rows // parts), []
        for start in range(0, table.num_rows, size):
            path = str(tmp_path / f"{start}.parquet")
            parquet.write_table(table.slice(start, size), path)
            written.append(RawPart(fs.LocalFileSystem(), path, tuple(table.column_names)))
        return prepare(written, RawItems(ITEMS["item_id"], [ITEMS]), PrepareConfig(**config), seed, Workers(1))

    return run


def buckets_of(result):
    """Return each bucket with its interactions and reviews."""
    from hnlm_ray.prepare import blocks

    return [(bucket, *blocks.join(ray.get(pieces))) for bucket, pieces in result.buckets]


def rows_of(result):
    return pa.concat_tables(rows for _, rows, _ in buckets_of(result)).to_pylist()


def reviews_of(result):
    return pa.concat_tables(reviews for *_, reviews in buckets_of(result))


def in_bytes(result):
    tables = [result.users, result.items, *(part for _, *parts in buckets_of(result) for part in parts)]
    sink = [pa.BufferOutputStream() for _ in tables]
    for table, stream in zip(tables, sink, strict=True):
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table.combine_chunks())
    return [stream.getvalue().to_pybytes() for stream in sink]


def test_the_same_bytes_whatever_the_parts_the_ranges_and_the_order(prepared):
    table = raw()
    config = {"min_rating": 3, "max_users": 50, "buckets": 4}
    expected = in_bytes(prepared(table, **config))
    for parts, range_bytes in ((1, 10**6), (3, 5_000), (64, 20_000)):
        shuffled = table.take(np.random.default_rng(parts).permutation(table.num_rows))
        assert in_bytes(prepared(shuffled, parts, range_bytes=range_bytes, **config)) == expected
    assert in_bytes(prepared(table, seed=2, **config))[2:] != expected[2:]


def test_tables_and_counts_fit_together(prepared):
    table = raw()
    result = prepared(table, min_rating=2, user_core=6, item_core=7, buckets=4)
    buckets = [(bucket, rows) for bucket, rows, _ in buckets_of(result)]
    everything = pa.concat_tables(rows for _, rows in buckets)
    assert everything.schema.equals(TABLES["interactions"])
    for bucket, rows in buckets:
        pairs = list(zip(rows["user"].to_pylist(), rows["item"].to_pylist(), strict=True))
        assert pairs == sorted(set(pairs))
        assert {user % 4 for user, _ in pairs} == {bucket}
    counts = result.counts
    assert counts["rows"] == 3000
    assert counts["interactions"] == everything.num_rows == counts["train"] + counts["validation"] + counts["test"]
    assert counts["rows"] - counts["below_rating"] - counts["repeats"] - counts["taken_back"] - counts[
        "dropped_by_sample_and_kcore"
    ] == (everything.num_rows)
    assert np.bincount(everything["user"]).min() >= 6
    assert np.bincount(everything["item"]).min() >= 7
    assert (counts["users"], counts["items"]) == (result.users.num_rows, result.items.num_rows)
    assert counts["items_without_title"] == result.items["title"].null_count == counts["items"]
    assert result.users.schema.equals(TABLES["users"])


@pytest.mark.parametrize("method", ["random", "leave_last_out"])
def test_reviews_are_those_of_training_rows(prepared, method):
    table = raw()
    result = prepared(table, buckets=4, split={"method": method})
    reviews = reviews_of(result)
    assert reviews.schema.equals(TABLES["reviews"])
    keys = zip(*(table[name].to_pylist() for name in ("user_id", "item_id", "timestamp")), strict=True)
    said = dict(zip(keys, table["review"].to_pylist(), strict=True))
    users, items = (getattr(result, name)[f"{name[:-1]}_id"].to_pylist() for name in ("users", "items"))
    expected = [
        (row["user"], row["item"], text)
        for row in rows_of(result)
        if row["split"] == "train" and (text := said[users[row["user"]], items[row["item"]], row["timestamp"]])
    ]
    assert [tuple(row.values()) for row in reviews.to_pylist()] == expected
    assert 0 < len(expected) < result.counts["train"]


def test_held_out_reviews_change_nothing(prepared):
    table = raw(rows=800)
    config = {"buckets": 3, "user_core": 1, "item_core": 1}
    result = prepared(table, **config)
    users, items = result.users["user_id"].to_pylist(), result.items["item_id"].to_pylist()
    held_out = {(users[row["user"]], items[row["item"]]) for row in rows_of(result) if row["split"] != "train"}
    pairs = zip(table["user_id"].to_pylist(), table["item_id"].to_pylist(), strict=True)
    edited = [
        "told" if pair in held_out else text for pair, text in zip(pairs, table["review"].to_pylist(), strict=True)
    ]
    other = table.set_column(table.num_columns - 1, "review", [edited])
    assert "told" in edited
    assert in_bytes(prepared(other, **config)) == in_bytes(result)


def test_without_reviews_the_other_tables_are_the_same(prepared):
    with_reviews, without = (prepared(raw(reviews=reviews), buckets=2) for reviews in (True, False))
    bare = prepared(raw().drop_columns(["review"]), buckets=2)
    assert rows_of(with_reviews) == rows_of(without) == rows_of(bare)
    assert reviews_of(without).num_rows == reviews_of(bare).num_rows == 0
    assert len(bare.buckets) == 2


def test_max_users_samples_before_the_core(prepared):
    assert prepared(raw(), max_users=10, user_core=2, item_core=1).counts["users"] == 10


def test_a_given_split_stays_as_published_without_a_core(prepared):
    table = pa.Table.from_pylist(
        [
            {"user_id": u, "item_id": i, "source_split": s}
            for u, i, s in [
                *(("a", "1", "train"), ("a", "2", "train"), ("a", "9", "test"), ("b", "1", "train")),
                *(("b", "2", "test"), ("c", "1", "test"), ("a", "1", "test")),
            ]
        ],
        TABLES["raw_interactions"],
    )
    given = {"split": {"method": "given", "validation": 0}, "buckets": 1}
    result = prepared(table, user_core=1, item_core=1, **given)
    assert [(r["user"], r["item"], r["split"]) for r in rows_of(result)] == [
        (0, 0, "train"),
        (0, 1, "train"),
        (0, 2, "test"),
        (1, 0, "train"),
        (1, 1, "test"),
    ]
    assert result.counts["in_train_and_test"] == 1
    with pytest.raises(InputError, match=r"2 users and 1 items are left"):
        prepared(table, user_core=1, item_core=2, **given)


def test_too_little_left_says_what_each_step_dropped(prepared):
    with pytest.raises(InputError, match=r"0 users and 0 items are left.* of 3000 rows .* lower prepare.user_core"):
        prepared(raw(), min_rating=5, user_core=900)
    with pytest.raises(InputError, match="1 users and"):
        prepared(raw(users=1), user_core=1, item_core=1)


def test_training_rows_that_are_left_out_are_nowhere_and_counted(prepared):
    table = raw()
    whole, half = (prepared(table, split={"train_share": share}) for share in (1, 0.5))
    before, after = ({(row["user"], row["item"]): row["split"] for row in rows_of(result)} for result in (whole, half))
    gone = before.keys() - after.keys()
    assert after.items() <= before.items()
    assert {before[pair] for pair in gone} == {"train"}
    assert half.counts["train_left_out"] == len(gone) == whole.counts["train"] - half.counts["train"] > 100
    assert half.counts["dropped_by_sample_and_kcore"] == whole.counts["dropped_by_sample_and_kcore"]
    told = reviews_of(half)
    assert set(zip(told["user"].to_pylist(), told["item"].to_pylist(), strict=True)) <= after.keys()


def test_a_split_by_time_is_the_same_whatever_the_parts_and_tests_nothing_new(prepared):
    table = raw(users=200, items=90)
    config = {"split": {"method": "time", "validation": 0.1, "test": 0.3}, "user_core": 2, "item_core": 2, "buckets": 4}
    result = prepared(table, max_users=150, **config)
    expected = in_bytes(result)
    for parts, range_bytes in ((1, 10**6), (9, 5_000)):
        shuffled = table.take(np.random.default_rng(parts).permutation(table.num_rows))
        assert in_bytes(prepared(shuffled, parts, range_bytes=range_bytes, max_users=150, **config)) == expected
    rows, counts = rows_of(result), result.counts
    latest = {
        split: max(row["timestamp"] for row in rows if row["split"] == split) for split in ("train", "validation")
    }
    first = {split: min(row["timestamp"] for row in rows if row["split"] == split) for split in ("validation", "test")}
    assert latest["train"] < first["validation"] <= latest["validation"] < first["test"]
    for name, ids in (("user", result.users), ("item", result.items)):
        assert {row[name] for row in rows if row["split"] == "train"} == set(range(ids.num_rows))
    untested = counts["rows_of_users_without_training"] + counts["rows_of_items_without_training"]
    whole = counts["interactions"] + untested
    assert abs(counts["train"] - 0.6 * whole) <= 1
    assert counts["users_without_training"] + counts["items_without_training"] > 0 < untested
    left = counts["rows"] - counts["repeats"] - counts["dropped_by_sample_and_kcore"] - untested
    assert left == counts["interactions"]


def test_a_split_by_time_that_leaves_nothing_is_told(prepared):
    with pytest.raises(InputError, match="leaves 0 users and 0 items with positives to train on"):
        prepared(raw(), split={"method": "time", "test_from": "1970-01-01", "validation": 0})


def test_how_often_a_pair_came_is_written_where_it_is_asked_for(prepared):
    table = raw(reviews=False)
    weighed = prepared(table, repeats="weight", user_core=1, item_core=1, split={"train_share": 0.5})
    once = prepared(table, user_core=1, item_core=1, split={"train_share": 0.5})
    rows = rows_of(weighed)
    assert "repeats" not in rows_of(once)[0]
    assert [{name: row[name] for name in row if name != "repeats"} for row in rows] == rows_of(once)
    users, items = weighed.users["user_id"].to_pylist(), weighed.items["item_id"].to_pylist()
    pairs = list(zip(table["user_id"].to_pylist(), table["item_id"].to_pylist(), strict=True))
    assert all(row["repeats"] == pairs.count((users[row["user"]], items[row["item"]])) for row in rows[:200])
    assert weighed.counts["repeats"] == len(pairs) - len(set(pairs))


def test_a_sample_that_leaves_none_names_the_sample(prepared):
    with pytest.raises(InputError, match=r"sample of 3 of them \(prepare.max_users\).* raise prepare.max_users"):
        prepared(raw(), max_users=3, user_core=5, item_core=4)


def test_a_validation_split_that_is_given_validates(prepared):
    splits = [
        ("a", "1", "train"),
        ("a", "2", "validation"),
        ("b", "1", "train"),
        ("b", "2", "train"),
        ("b", "3", "test"),
    ]
    table = pa.Table.from_pylist(
        [{"user_id": user, "item_id": item, "source_split": split} for user, item, split in splits],
        TABLES["raw_interactions"],
    )
    result = prepared(table, user_core=1, item_core=1, split={"method": "given", "validation": 0.4}, buckets=1)
    assert [row["split"] for row in rows_of(result)] == [split for *_, split in splits]
