"""Why a user of the source is not in the model: what is counted is what the k-core counts."""

import itertools

import pyarrow as pa
import pytest

from hnlm_ray.commands.show.recommend import find_left_out
from hnlm_ray.workspace import Manifest, PublishedTables, Workspace
from hnlm_ray.workspace.shown_tables import ShownTables
from hnlm_ray.workspace.tables import TABLES

TRAINING, HELD_OUT = [f"i{n}" for n in range(5)], [f"i{n}" for n in range(5, 14)]


def publish(workspace, name, rows, depends_on):
    store = workspace.table(name)
    store.write_part("a" * 64, "part-0", pa.Table.from_pylist(rows, schema=TABLES[name]))
    made = {"stage": name, "fingerprint": "a" * 64, "files": store.parts("a" * 64)}
    store.publish(Manifest(table=name, depends_on=depends_on, **made))


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("given", "5 training positives, but 3 of items in the model"),
        ("random", "14 positives, but 12 of items in the model"),
    ],
)
def test_with_a_given_split_only_rows_that_train_count(tmp_path, method, told):
    workspace = Workspace.open(str(tmp_path))
    splits = itertools.chain(((item, "train") for item in TRAINING), ((item, "test") for item in HELD_OUT))
    rows = [{"user_id": "u", "item_id": item, "source_split": split} for item, split in splits]
    publish(workspace, "raw_interactions", rows, {})
    made = {"prepare.user_core": 5, "prepare.item_core": 5, "prepare.split.method": method}
    publish(workspace, "interactions", [], made)
    tables = ShownTables(workspace, PublishedTables.look(workspace))
    found = find_left_out(tables, "u", [*TRAINING[:3], *HELD_OUT])
    assert found.items == tuple(sorted(TRAINING + HELD_OUT))
    assert told in found.reason
