"""A table whose train, validation and test rows are files of their own."""

import pyarrow as pa

from hnlm_ray.config import Config
from hnlm_ray.sources import Rejects, read_interactions, source_files
from hnlm_ray.sources.ingest import source_identity
from hnlm_ray.workspace.tables import TABLES


def config(folder, **paths):
    interactions = {"columns": {"user": "user", "item": "item"}}
    interactions |= {name: str(folder / file) for name, file in paths.items()}
    split = {"split": {"method": "given"}} if "test_path" in paths else {}
    source = {"format": "table", "interactions": interactions}
    return Config.model_validate({"name": "x", "workspace": "ws", "source": source, "prepare": split})


def write(folder):
    for name, pairs in (("train", ("a,1", "b,1")), ("valid", ("a,2",)), ("test", ("a,3", "b,3"))):
        (folder / f"{name}.csv").write_text("\n".join(["user,item", *pairs]), encoding="utf-8")


def test_rows_say_which_split_they_came_in(tmp_path):
    write(tmp_path)
    source = config(tmp_path, path="train.csv", validation_path="valid.csv", test_path="test.csv").source
    rows = pa.concat_tables(read_interactions(source, Rejects()))
    assert rows.schema.equals(TABLES["raw_interactions"])
    assert [(row["user_id"], row["item_id"], row["source_split"]) for row in rows.to_pylist()] == [
        *(("a", "1", "train"), ("b", "1", "train"), ("a", "2", "validation"), ("a", "3", "test"), ("b", "3", "test")),
    ]
    assert [file.name.rsplit("/", 1)[-1] for file in source_files(source)] == ["train.csv", "valid.csv", "test.csv"]
    alone = pa.concat_tables(read_interactions(config(tmp_path, path="t*.csv").source, Rejects()))
    assert alone["source_split"].null_count == alone.num_rows == 4


def test_the_same_files_in_other_parts_of_a_split_are_another_source(tmp_path):
    write(tmp_path)
    identities = [
        source_identity(config(tmp_path, **paths))
        for paths in (
            {"path": "*.csv"},
            {"path": "t*.csv", "test_path": "valid.csv"},
            {"path": "valid.csv", "test_path": "t*.csv"},
            {"path": "train.csv", "validation_path": "valid.csv", "test_path": "test.csv"},
        )
    ]
    assert all(one not in identities[place + 1 :] for place, one in enumerate(identities))
    assert "split_files" not in identities[0]
    assert "test_path" not in str(identities)
