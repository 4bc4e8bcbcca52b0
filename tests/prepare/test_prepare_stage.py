import numpy as np
import pyarrow as pa
import pytest
import ray

from hnlm_ray.config import PrepareConfig
from hnlm_ray.errors import InputError
from hnlm_ray.tables import TABLES

pytestmark = pytest.mark.real

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


def prepared(ray, table, blocks=3, seed=1, **config):
    from hnlm_ray.prepare.stage import prepare

    size = -(-table.num_rows // blocks)
    dataset = ray.data.from_arrow([table.slice(start, size) for start in range(0, table.num_rows, size)])
    return prepare(dataset, ITEMS, PrepareConfig(**config), seed)


def rows_of(result):
    return pa.concat_tables(ray.get(rows) for _, rows, _ in result.buckets).to_pylist()


def reviews_of(result):
    return pa.concat_tables(ray.get(reviews) for *_, reviews in result.buckets)


def in_bytes(result):
    tables = [result.users, result.items, *(ray.get(part) for _, *parts in result.buckets for part in parts)]
    sink = [pa.BufferOutputStream() for _ in tables]
    for table, stream in zip(tables, sink, strict=True):
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table.combine_chunks())
    return [stream.getvalue().to_pybytes() for stream in sink]


def test_the_same_bytes_whatever_the_blocks_and_the_order(local_ray):
    table = raw()
    config = {"min_rating": 3, "max_users": 50, "buckets": 4}
    expected = in_bytes(prepared(local_ray, table, **config))
    for blocks in (1, 3, 17):
        shuffled = table.take(np.random.default_rng(blocks).permutation(table.num_rows))
        assert in_bytes(prepared(local_ray, shuffled, blocks, **config)) == expected
    assert in_bytes(prepared(local_ray, table, seed=2, **config))[2:] != expected[2:]


def test_tables_and_counts_fit_together(local_ray):
    table = raw()
    result = prepared(local_ray, table, min_rating=2, user_core=6, item_core=7, buckets=4)
    buckets = [(bucket, ray.get(rows)) for bucket, rows, _ in result.buckets]
    everything = pa.concat_tables(rows for _, rows in buckets)
    assert everything.schema.equals(TABLES["interactions"])
    for bucket, rows in buckets:
        pairs = list(zip(rows["user"].to_pylist(), rows["item"].to_pylist(), strict=True))
        assert pairs == sorted(set(pairs))
        assert {user % 4 for user, _ in pairs} == {bucket}
    counts = result.counts
    assert counts["rows"] == 3000
    assert counts["interactions"] == everything.num_rows == counts["train"] + counts["validation"] + counts["test"]
    assert counts["rows"] - counts["below_rating"] - counts["duplicates"] - counts["dropped_by_sample_and_kcore"] == (
        everything.num_rows
    )
    assert np.bincount(everything["user"]).min() >= 6
    assert np.bincount(everything["item"]).min() >= 7
    assert (counts["users"], counts["items"]) == (result.users.num_rows, result.items.num_rows)
    assert counts["items_without_title"] == result.items["title"].null_count == counts["items"]
    assert result.users.schema.equals(TABLES["users"])


@pytest.mark.parametrize("method", ["random", "leave_last_out"])
def test_reviews_are_those_of_training_rows(local_ray, method):
    table = raw()
    result = prepared(local_ray, table, buckets=4, split={"method": method})
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


def test_held_out_reviews_change_nothing(local_ray):
    table = raw(rows=800)
    config = {"buckets": 3, "user_core": 1, "item_core": 1}
    result = prepared(local_ray, table, **config)
    users, items = result.users["user_id"].to_pylist(), result.items["item_id"].to_pylist()
    held_out = {(users[row["user"]], items[row["item"]]) for row in rows_of(result) if row["split"] != "train"}
    pairs = zip(table["user_id"].to_pylist(), table["item_id"].to_pylist(), strict=True)
    edited = [
        "told" if pair in held_out else text for pair, text in zip(pairs, table["review"].to_pylist(), strict=True)
    ]
    other = table.set_column(table.num_columns - 1, "review", [edited])
    assert "told" in edited
    assert in_bytes(prepared(local_ray, other, **config)) == in_bytes(result)


def test_without_reviews_the_other_tables_are_the_same(local_ray):
    with_reviews, without = (prepared(local_ray, raw(reviews=reviews), buckets=2) for reviews in (True, False))
    bare = prepared(local_ray, raw().drop_columns(["review"]), buckets=2)
    assert rows_of(with_reviews) == rows_of(without) == rows_of(bare)
    assert reviews_of(without).num_rows == reviews_of(bare).num_rows == 0
    assert len(bare.buckets) == 2


def test_max_users_samples_before_the_core(local_ray):
    assert prepared(local_ray, raw(), max_users=10, user_core=2, item_core=1).counts["users"] == 10


def test_a_given_split_stays_as_published_without_a_core(local_ray):
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
    result = prepared(local_ray, table, user_core=1, item_core=1, **given)
    assert [(r["user"], r["item"], r["split"]) for r in rows_of(result)] == [
        (0, 0, "train"),
        (0, 1, "train"),
        (0, 2, "test"),
        (1, 0, "train"),
        (1, 1, "test"),
    ]
    assert result.counts["in_train_and_test"] == 1
    with pytest.raises(InputError, match=r"2 users and 1 items are left"):
        prepared(local_ray, table, user_core=1, item_core=2, **given)


def test_too_little_left_says_what_each_step_dropped(local_ray):
    with pytest.raises(InputError, match=r"0 users and 0 items are left.* of 3000 rows .* lower prepare.user_core"):
        prepared(local_ray, raw(), min_rating=5, user_core=900)
    with pytest.raises(InputError, match="1 users and"):
        prepared(local_ray, raw(users=1), user_core=1, item_core=1)
