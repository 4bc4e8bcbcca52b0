import random

import pyarrow as pa
import pytest

from hnlm_ray.prepare import index
from hnlm_ray.workspace.tables import TABLES


def part(ids, length=3):
    rows = [
        {"item_id": one, "title": f"title of {one}", "attributes": [("id", one)], "text": one[:1] * length}
        for one in ids
    ]
    return pa.Table.from_pylist(rows, TABLES["raw_items"])


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_items_of_many_parts_are_described_whatever_the_slices(monkeypatch, at_once):
    monkeypatch.setattr(index, "ITEMS_AT_ONCE", at_once)
    ids = [f"{at:03}" for at in range(300)]
    random.Random(1).shuffle(ids)
    parts = [part(ids[:100]), part([]), pa.concat_tables([part(ids[100:150]), part(ids[150:220])])]
    raw = index.RawItems(pa.chunked_array([chunk for one in parts for chunk in one["item_id"].chunks]), iter(parts))
    wanted = sorted(random.Random(2).sample(ids, 90))
    table = index.item_table(pa.array(wanted), raw)
    known = set(ids[:220])
    assert table.schema.equals(TABLES["items"])
    assert table["text"].num_chunks == -(-90 // at_once)  # all of it may be more than an Arrow array holds
    assert table["item"].to_pylist() == list(range(90))
    assert table["item_id"].to_pylist() == wanted
    assert table["title"].to_pylist() == [f"title of {one}" if one in known else None for one in wanted]
    assert table["attributes"].to_pylist() == [[("id", one)] if one in known else None for one in wanted]


def test_parts_are_read_one_by_one_and_unused_rows_are_not_held():
    before, held = pa.total_allocated_bytes(), []

    def parts():
        for at in range(8):
            held.append(pa.total_allocated_bytes() - before)
            yield part([f"{at}_{n}" for n in range(40)], length=100_000)

    ids = pa.chunked_array([pa.array([f"{at}_{n}" for n in range(40)]) for at in range(8)])
    table = index.item_table(pa.array(["0_1", "7_39"]), index.RawItems(ids, parts()))
    assert table["text"].to_pylist() == ["0" * 100_000, "7" * 100_000]
    assert max(held) < 2 * 40 * 100_000
