"""Own embeddings and exported negatives from anyone: damaged, of other types, with pickles."""

import io
import os
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bounds import bounded, cases
from damage import damaged, damages
from hypothesis import given
from hypothesis import strategies as st
from test_parquet_files import ARRAYS

from hnlm_ray.base.errors import InputError
from hnlm_ray.export.negative_sampler import PoolNegatives
from hnlm_ray.teacher.own_vectors import read_own

IDS = pa.array(["a", "b", "c"])
POOL = b'user,positive,negative,weight,source\nann,x,y,0.5,own/exact\nbob,x,"z,1",1,own/nearest\n'


def npy(array):
    data = io.BytesIO()
    np.save(data, array, allow_pickle=True)
    return data.getvalue()


def parquet(**columns):
    data = io.BytesIO()
    pq.write_table(pa.table(columns), data)
    return data.getvalue()


VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)
NPY, NAMES = npy(VECTORS), b"a\nb\nc\n"
PARQUET = parquet(id=IDS, vector=pa.array(VECTORS.tolist(), pa.list_(pa.float32())))


def read(folder, users, ids=None, items=PARQUET):
    for name in os.listdir(folder):
        os.unlink(folder / name)
    if ids is None:
        (folder / "users.parquet").write_bytes(users)
    else:
        (folder / "users.npy").write_bytes(users)
        (folder / "users.ids.txt").write_bytes(ids)
    (folder / "items.parquet").write_bytes(items)
    return bounded("vectors", read_own, str(folder), IDS, IDS)


def test_the_undamaged_vectors_are_read(tmp_path):
    assert [side.vectors.matrix.shape for side in read(tmp_path, NPY, NAMES)] == [(3, 2)] * 2


@cases(500)
@given(found=damages, named=st.none() | damages)
def test_damaged_npy_is_refused_or_read(tmp_path, found, named):
    read(tmp_path, damaged(NPY, found), NAMES if named is None else damaged(NAMES, named))


@cases(300)
@given(found=damages)
def test_damaged_parquet_is_refused_or_read(tmp_path, found):
    read(tmp_path, damaged(PARQUET, found))


@pytest.mark.parametrize("kind", ARRAYS)
def test_parquet_of_any_type_is_refused_or_read(tmp_path, kind):
    read(tmp_path, parquet(id=ARRAYS[kind].slice(0, 3), vector=pa.array(VECTORS.tolist())))
    read(tmp_path, parquet(id=IDS, vector=ARRAYS[kind].slice(0, 3)))


class Touch:
    """Unpickled, it leaves a file behind."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def test_pickled_objects_are_refused_and_never_run(tmp_path, monkeypatch):
    (tmp_path / "vectors").mkdir()
    monkeypatch.chdir(tmp_path)
    evil = np.array([[Touch()], [1], [2]], dtype=object)
    for data in (npy(evil), pickle.dumps(Touch()), NPY[:10] + pickle.dumps(Touch())):
        assert isinstance(read(tmp_path / "vectors", data, NAMES), InputError)
    assert os.listdir(tmp_path) == ["vectors"]


@pytest.mark.parametrize(
    "head",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1152921504606846976), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3.0, 2), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3, 2), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3, 2), }",
        "{'descr': '<f4', 'fortran_order': 1, 'shape': (3, 2), }",
        "[" * 5000,
        "-" * 9000 + "1",
        "__import__('os').mkdir('unpickled')",
        "{'descr': '" + "f" * 9000 + "', 'fortran_order': False, 'shape': (3, 2), }",
    ],
    ids=lambda head: head[:40],
)
def test_heads_that_lie_are_refused(tmp_path, monkeypatch, head):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vectors").mkdir()
    text = head.encode() + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + VECTORS.tobytes()
    assert isinstance(read(tmp_path / "vectors", data, NAMES), InputError)
    assert os.listdir(tmp_path) == ["vectors"]


def pool(folder, data, ending="csv"):
    path = folder / f"pool.{ending}"
    path.write_bytes(data)

    def drawn():
        negatives = PoolNegatives.read(str(path))
        return negatives.sample(["ann", "bob", "nobody"], ["x", "x", "x"])

    return bounded("pool", drawn)


def test_the_undamaged_pool_is_read(tmp_path):
    assert pool(tmp_path, POOL)[0] == ["y", "z,1", None]


@cases(500)
@given(found=damages)
def test_a_damaged_csv_of_negatives_is_refused_or_read(tmp_path, found):
    pool(tmp_path, damaged(POOL, found))


@cases(200)
@given(found=damages)
def test_a_damaged_parquet_of_negatives_is_refused_or_read(tmp_path, found):
    whole = parquet(user=IDS, positive=IDS, negative=IDS, weight=pa.array([0.5, 1, 2], pa.float32()))
    pool(tmp_path, damaged(whole, found), "parquet")


@pytest.mark.parametrize("column", ["user", "positive", "negative", "weight"])
@pytest.mark.parametrize("kind", ARRAYS)
def test_negatives_of_any_type_are_refused_or_read(tmp_path, column, kind):
    columns = {"user": IDS, "positive": IDS, "negative": IDS, "weight": pa.array([0.5, 1, 2])}
    pool(tmp_path, parquet(**{**columns, column: ARRAYS[kind].slice(0, 3)}), "parquet")


@pytest.mark.parametrize("path", ["a\0b.csv", "", ".", "x" * 5000, "/dev/null", "\ud800.csv", "s3://[", "none.parquet"])
def test_any_path_of_negatives_is_refused(path):
    assert isinstance(bounded("pool", PoolNegatives.read, path), InputError)
