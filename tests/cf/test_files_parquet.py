import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.files import load_folder, read_parquet

ROWS = [("b", 7, "train"), ("a", 7, "train"), ("a", -3, "validation"), ("c", 9, "test"), ("b", 9, "test")]


def table(rows=ROWS, **types):
    users, items, splits = zip(*rows, strict=True)
    columns = {"user": pa.array(users, types.get("user")), "item": pa.array(items, types.get("item"))}
    return pa.table({"rating": pa.nulls(len(rows)), **columns, "split": pa.array(splits)})


def write_files(folder, rows=ROWS, **types):
    for split in {row[2] for row in rows}:
        part = [row for row in rows if row[2] == split]
        pq.write_table(table(part, **types).drop_columns("split"), folder / f"{split}.parquet")


def pairs(positives, users, items):
    rows = zip(*(column.tolist() for column in positives.pairs()), strict=True)
    return {(users[u].as_py(), items[i].as_py()) for u, i in rows}


def check(data, users, items):
    assert users.to_pylist() == ["a", "b", "c"]
    assert items.to_pylist() == [-3, 7, 9]
    assert (data.users, data.items) == (3, 3)
    for name in ("train", "validation", "test"):
        expected = {(user, item) for user, item, split in ROWS if split == name}
        assert pairs(getattr(data, name), users, items) == expected


def test_a_file_a_split(tmp_path):
    write_files(tmp_path)
    check(*read_parquet(tmp_path))


def test_one_file_with_a_column_split(tmp_path):
    pq.write_table(table(), tmp_path / "interactions.parquet")
    check(*read_parquet(tmp_path))


def test_a_folder_of_parts(tmp_path):
    (tmp_path / "interactions.parquet").mkdir()
    for part in range(len(ROWS)):
        pq.write_table(table().slice(part, 1), tmp_path / "interactions.parquet" / f"part-{part}.parquet")
    check(*read_parquet(tmp_path))


def test_a_folder_parted_by_split(tmp_path):
    pq.write_to_dataset(table(), tmp_path / "interactions.parquet", partition_cols=["split"])
    check(*read_parquet(tmp_path))


@pytest.mark.parametrize("user", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
@pytest.mark.parametrize("item", [pa.int8(), pa.int64()])
def test_types_of_ids(tmp_path, user, item):
    write_files(tmp_path, user=user, item=item)
    check(*read_parquet(tmp_path))


def test_numbers_without_gaps_keep_their_meaning(tmp_path):
    write_files(tmp_path, [(u, i, "train") for u, i in [(2, 1), (0, 0), (1, 2)]])
    data, users, items = read_parquet(tmp_path)
    assert users.to_pylist() == items.to_pylist() == [0, 1, 2]
    assert data.train.items.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("rows", "types", "told"),
    [
        ([("a", 1.5, "train")], {}, "column item is double"),
        ([("a", None, "train"), ("b", 1, "train")], {}, "column item has 1 empty value"),
        ([("a", 2**63, "train")], {"item": pa.uint64()}, "can't be read as Parquet"),
        ([("a", 1, "train"), ("a", 1, "train")], {}, "occur more than once"),
        ([("a", 1, "train"), ("a", 1, "test")], {}, "are in train and test"),
        ([("a", 1, "test")], {}, "no training pair"),
    ],
)
def test_what_can_not_be_used_is_told(tmp_path, rows, types, told):
    write_files(tmp_path, rows, **types)
    with pytest.raises(InputError) as error:
        read_parquet(tmp_path)
    assert told in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_numbers_and_text_are_not_mixed(tmp_path):
    write_files(tmp_path, [("a", 1, "train")])
    write_files(tmp_path, [(5, 1, "test")])
    with pytest.raises(InputError, match="column user is large_string in train and int64 in test"):
        read_parquet(tmp_path)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"user": [1], "split": ["train"]}, "has no column 'item'"),
        ({"user": [1], "item": [1]}, "has no column 'split'"),
        ({"user": [1], "item": [1], "split": ["dev"]}, "column split holds 'dev'"),
        ({"user": [1], "item": [1], "split": [0]}, "column split is int64"),
    ],
)
def test_columns_that_are_missing_or_wrong_are_told(tmp_path, given, told):
    pq.write_table(pa.table(given), tmp_path / "interactions.parquet")
    with pytest.raises(InputError, match=told):
        read_parquet(tmp_path)


def test_damaged_files_are_told(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(InputError, match="can't be read as Parquet"):
        read_parquet(tmp_path)


def test_both_ways_at_once_are_refused(tmp_path):
    write_files(tmp_path)
    pq.write_table(table(), tmp_path / "interactions.parquet")
    with pytest.raises(InputError, match="keep one of them"):
        read_parquet(tmp_path)


def test_triples_are_written_in_the_same_ids(tmp_path):
    write_files(tmp_path)
    triples = {"user": ["c", "a"], "preferred": [7, 9], "rejected": [-3, 7]}
    pq.write_table(pa.table(triples), tmp_path / "triples.parquet")
    assert load_folder(tmp_path, "parquet").data.triples.tolist() == [[2, 1, 0], [0, 2, 1]]


@pytest.mark.parametrize(
    ("triples", "told"),
    [
        ({"user": ["z"], "preferred": [7], "rejected": [9]}, "names a user or an item that has no interaction"),
        ({"user": [0], "preferred": [7], "rejected": [9]}, "column user is int64"),
        ({"user": ["a"], "preferred": [7]}, "has no column 'rejected'"),
    ],
)
def test_triples_that_do_not_fit_are_told(tmp_path, triples, told):
    write_files(tmp_path)
    pq.write_table(pa.table(triples), tmp_path / "triples.parquet")
    with pytest.raises(InputError, match=told):
        load_folder(tmp_path, "parquet")


def test_ids_of_any_length_take_no_more_room_than_they_are_long(tmp_path):
    rows = [("x" * 1_000_000, 0, "train"), *((f"u{n}", n, "train") for n in range(5000))]
    write_files(tmp_path, rows)
    _, users, _ = read_parquet(tmp_path)
    assert users.nbytes < 3_000_000
    assert np.unique([len(name) for name in users.to_pylist()]).max() == 1_000_000
