"""The comparison on held-out users with a tiny model, and targets that the mining rule made."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from exported_model import trained_model
from finetune_tables import ITEMS, USERS, finetune_config, publish, vectors_of, write_tables
from saved_export import export_saved, save_weights

from hnlm_ray.config import CFTeacherConfig
from hnlm_ray.finetune.evaluate.comparison import MEANINGS, TUNED, UPPER_BOUND
from hnlm_ray.finetune.evaluate.stage import _evaluate
from hnlm_ray.teacher.mining import UserPairs, mine
from hnlm_ray.teacher.vectors import Vectors
from hnlm_ray.workspace.tables import TABLES

TEACHER = CFTeacherConfig.model_validate({"window": (3, 12), "mined": 2})


def mined_records(histories):
    """Return the records of three pairs a user, with the first item that the rule mined as target."""
    items = Vectors(vectors_of("items"), np.ones(ITEMS, bool))
    asked = [UserPairs(user, histories[user][:6], histories[user][:3]) for user in range(USERS)]
    rows = [row for row in mine(asked, vectors_of("users"), items, TEACHER).rows if row["negatives"]]
    return [
        {
            "user": row["user"],
            "item": row["item"],
            "split": "held_out" if row["user"] % 3 == 0 else "train",
            "user_text": f"person {row['user']}",
            "item_text": f"Thing {row['item']}",
            "target": row["negatives"][0],
            "negatives": [row["item"]],
            "weight": 0.6,
            "provenance": "test",
        }
        for row in rows
    ]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The rows of ``finetune_eval``, by method."""
    folder = tmp_path_factory.mktemp("eval")
    workspace, draw = write_tables(folder / "ws"), np.random.default_rng(8)
    histories = {user: draw.choice(ITEMS, 7, replace=False).tolist() for user in range(USERS)}
    publish(workspace, "supervision_records", mined_records(histories))
    pairs = [(user, item, n) for user, items in histories.items() for n, item in enumerate(items)]
    rows = [{"user": user, "item": item, "split": "train" if n < 6 else "validation"} for user, item, n in pairs]
    publish(workspace, "interactions", rows)
    config = finetune_config(folder / "ws").model_copy(update={"teacher": TEACHER})
    with pytest.MonkeyPatch.context() as patch:
        export_saved(config, workspace, save_weights(config, trained_model(config, workspace), folder, patch))
    threads = torch.get_num_threads()
    found = list(_evaluate(config, workspace))
    torch.set_num_threads(threads)
    return {row["method"]: {**row, "metrics": dict(row["metrics"])} for row in found}


def test_every_method_has_a_row_that_fits_the_table(rows):
    assert set(rows) == set(MEANINGS)
    assert next(iter(rows)) == TUNED  # what the others are compared with
    assert len({row["pairs"] for row in rows.values()}) == 1
    written = [{**row, "metrics": list(row["metrics"].items())} for row in rows.values()]
    assert pa.Table.from_pylist(written, schema=TABLES["finetune_eval"]).num_rows == len(MEANINGS)


def test_the_rule_that_made_the_targets_finds_each_of_them_first(rows):
    metrics = rows[UPPER_BOUND]["metrics"]
    assert (metrics["mrr"], metrics["recall@10"], metrics["mrr_low"], metrics["mrr_high"]) == (1, 1, 1, 1)
    assert "cos_target" not in metrics
    assert all(row["metrics"]["mrr"] < 1 for name, row in rows.items() if name != UPPER_BOUND)


def test_the_copy_of_the_item_s_vector_is_a_row(rows):
    metrics = rows["item_vector"]["metrics"]
    assert metrics["cos_positive"] == pytest.approx(1)
    assert metrics["mrr"] > 2 * rows["random"]["metrics"]["mrr"]


def test_every_row_has_its_interval_and_its_difference_to_the_fine_tuned_llm(rows):
    own = rows[TUNED]["metrics"]
    assert not {"difference", "difference_low", "difference_high"} & set(own)
    for name, row in rows.items():
        metrics = row["metrics"]
        assert metrics["mrr_low"] <= metrics["mrr"] <= metrics["mrr_high"]
        if name != TUNED:
            assert metrics["difference"] == pytest.approx(own["mrr"] - metrics["mrr"])
            assert metrics["difference_low"] <= metrics["difference"] <= metrics["difference_high"]
