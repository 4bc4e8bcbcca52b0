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


def raw(rows=3000, users=60, items=40, seed=0, split=False):
    random = np.random.default_rng(seed)
    source_split = np.where(random.random(rows) < 0.8, "train", "test") if split else pa.nulls(rows, pa.string())
    return pa.table(
        [
            [f"u{n}" for n in random.integers(0, users, rows)],
            [f"i{n}" for n in np.minimum(random.geometric(0.08, rows), items)],
            random.integers(1, 6, rows).astype(np.float32),
            random.integers(0, 10**6, rows),
            source_split,
        ],
        schema=TABLES["raw_interactions"],
    )


def prepared(ray, table, blocks=3, seed=1, **config):
    from hnlm_ray.prepare.stage import prepare

    size = -(-table.num_rows // blocks)
    dataset = ray.data.from_arrow([table.slice(start, size) for start in range(0, table.num_rows, size)])
    return prepare(dataset, ITEMS, PrepareConfig(**config), seed)


def rows_of(result):
    return pa.concat_tables(ray.get(rows) for _, rows in result.buckets).to_pylist()


def in_bytes(result):
    tables = [result.users, result.items, *(ray.get(rows) for _, rows in result.buckets)]
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
    buckets = [(bucket, ray.get(rows)) for bucket, rows in result.buckets]
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
