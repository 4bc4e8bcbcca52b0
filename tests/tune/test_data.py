"""From tables to arrays: vectors once however often they are borrowed, anchors of unit length, texts of items."""

import numpy as np
import pyarrow as pa
import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import Positives
from hnlm_ray.config import CFConfig
from hnlm_ray.config.loading import load_config
from hnlm_ray.profiles.texts import item_profile_texts
from hnlm_ray.tune.data import _weights, load_pair_vectors
from hnlm_ray.tune.stage import _without_weights
from hnlm_ray.workspace import Manifest, Rows, Workspace
from hnlm_ray.workspace.tables import TABLES

ITEMS = 5
TRAIN = [(0, 0), (0, 1), (0, 3), (1, 2), (1, 4), (2, 0)]


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(str(tmp_path))


def publish(workspace, table, *parts):
    store = workspace.table(table)
    files = tuple(
        store.write_part("f" * 64, f"part-{n}", pa.Table.from_pylist(rows, schema=TABLES[table]))
        for n, rows in enumerate(parts)
    )
    count = Rows(ok=sum(map(len, parts)))
    store.publish(Manifest(table=table, stage="test", fingerprint="f" * 64, rows=count, files=files))


def unit(at):
    return np.eye(3, dtype=np.float16)[at]


def pool_row(user, item, vector=None, lender=None):
    row = {"user": user, "item": item, "origin": "fallback", "negatives": [], "weights": [], "sources": []}
    return {**row, "vector": vector, "vector_lender": lender}


def load(workspace, *parts):
    publish(workspace, "negative_pool", *parts)
    vectors = [[0.0, 3.0, 4.0], None, [0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    publish(workspace, "teacher_items", [{"item": item, "vector": vectors[item]} for item in range(ITEMS)])
    train = Positives.from_pairs(*np.array(TRAIN).T, 3)
    return load_pair_vectors(workspace, train, ITEMS)


def test_repeats_of_any_split_are_weights():
    columns = {"user": [0, 0, 1], "item": [1, 3, 1], "split": ["test", "train", "train"], "repeats": [1, 4, 2]}
    weights = _weights(pa.table(columns), ITEMS)
    found = weights.of(Positives.from_pairs([0, 0, 1, 1], [1, 3, 1, 4], 2), ITEMS)
    assert found.tolist() == [1.0, 4.0, 2.0, 1.0]


def test_methods_that_do_not_draw_pairs_are_named(config_file):
    rows = pa.table(
        {
            "method": ["mf-rns", "ease", "mf-softmax", "ease"],
            "config": [
                CFConfig.model_validate(one).model_dump_json()
                for one in ({"model": "mf"}, {"model": "ease"}, {"model": "mf", "loss": "softmax"}, {"model": "ease"})
            ],
        }
    )
    config = load_config(str(config_file))
    weighing = load_config(str(config_file), ["prepare.repeats=weight"])
    assert _without_weights(config, rows) == {}
    assert _without_weights(weighing, rows) == {"repeats_do_not_weigh_in": "ease, mf-softmax"}


def test_a_borrowed_vector_is_the_lenders_row(workspace):
    first = [pool_row(0, 0, unit(1), 3), pool_row(0, 1), pool_row(0, 3, unit(1)), pool_row(2, 0, unit(0))]
    loaded = load(workspace, first, [], [pool_row(1, 2, unit(2)), pool_row(1, 4, unit(2), 2)])
    assert loaded.vectors.dtype == np.float16
    assert loaded.vectors.shape == (3, 3)
    expected = [unit(1), None, unit(1), unit(2), unit(2), unit(0)]
    for row, vector in zip(loaded.row, expected, strict=True):
        assert (row < 0) if vector is None else loaded.vectors[row].tolist() == vector.tolist()
    assert loaded.row[0] == loaded.row[2]
    assert loaded.row[3] == loaded.row[4]


def test_anchors_have_unit_length_and_say_which_items_lack_one(workspace):
    loaded = load(workspace, [pool_row(0, 0, unit(0))])
    assert loaded.anchored.tolist() == [True, False, False, True, True]
    np.testing.assert_allclose(loaded.anchors[[0, 3, 4]], [[0, 0.6, 0.8], [1, 0, 0], [0, 1, 0]], rtol=1e-6)


def test_without_any_vector_there_are_none(workspace):
    assert load(workspace, [pool_row(0, 0)], [pool_row(1, 2)]) is None


def test_a_vector_that_nobody_lends_is_told(workspace):
    with pytest.raises(InputError, match="1 pairs borrow a vector that isn't there"):
        load(workspace, [pool_row(0, 0, unit(0)), pool_row(0, 1, unit(0), 3)])


def test_an_items_text_is_title_and_profile_and_without_profile_its_facts(workspace):
    items = [("Alien", None), ("Solaris", None), (None, None)]
    facts = [("genre", "space")]
    rows = [
        {"item": n, "item_id": f"i{n}", "title": title, "attributes": facts if n < 2 else [], "text": text}
        for n, (title, text) in enumerate(items)
    ]
    publish(workspace, "items", rows)
    told = {"error": None, "attempts": 1, "tokens_in": 1, "tokens_out": 1, "prompt_version": "v", "model": "m"}
    told |= {"prompt_cut": 0, "prompt_defused": False}
    profiles = [("ok", "A film of fear."), ("none", None), ("none", None)]
    rows = [
        {"item": n, "summary": text, "reasoning": None, "status": status} for n, (status, text) in enumerate(profiles)
    ]
    publish(workspace, "item_profiles", [{**row, **told} for row in rows])
    assert item_profile_texts(workspace) == ["Alien: A film of fear.", "Solaris: space", ""]
