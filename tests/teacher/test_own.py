"""Your own embeddings, in both formats, and all that can be wrong with them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import Config
from hnlm_ray.teacher import own_vectors
from hnlm_ray.teacher.own import check_teacher, own_identity
from hnlm_ray.teacher.own_vectors import read_own

USERS, ITEMS = pa.array(["u,1", "7", "ü\n"]), pa.array(["a", "b", "c", "d"])


def vectors(ids, d=3, dtype=np.float32):
    """A vector that names its id: what stands at a wrong place shows."""
    return np.array([[float(sum(map(ord, name))) + n / 8 for n in range(d)] for name in ids], dtype).reshape(
        len(ids), d
    )


def parquet(folder, side, ids, matrix=None, kind=None):
    matrix = vectors(ids) if matrix is None else matrix
    kind = kind or pa.list_(pa.float32())
    ids = pa.array(ids) if isinstance(ids, list) else ids
    pq.write_table(pa.table({"id": ids, "vector": pa.array(list(map(list, matrix)), kind)}), folder / f"{side}.parquet")


def npy(folder, side, ids, matrix=None):
    np.save(folder / f"{side}.npy", vectors(ids) if matrix is None else matrix)
    (folder / f"{side}.ids.txt").write_bytes("".join(f"{name}\n" for name in ids).encode())


@pytest.fixture
def folder(tmp_path):
    parquet(tmp_path, "users", ["7", "ü\n", "u,1"])
    npy(tmp_path, "items", ["d", "c", "b", "a"])
    return tmp_path


def read(folder, users=USERS, items=ITEMS):
    return read_own(str(folder), users, items)


def error(folder):
    with pytest.raises(InputError) as raised:
        read(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def config(folder):
    tree = {"name": "x", "workspace": "w", "source": {"format": "movielens_100k"}}
    return Config.model_validate({**tree, "teacher": {"embeddings": str(folder)}})


def test_both_formats_are_put_where_the_run_has_their_ids(folder, monkeypatch):
    for rows in (8192, 1, 2):
        monkeypatch.setattr(own_vectors, "_BLOCK_ROWS", rows)
        users, items = read(folder)
        np.testing.assert_array_equal(users.vectors.matrix, vectors(USERS.to_pylist()))
        np.testing.assert_array_equal(items.vectors.matrix, vectors(ITEMS.to_pylist()))
        assert users.vectors.there.all()
        assert items.vectors.there.all()
        assert users.unused == items.unused == 0


def test_rows_of_others_are_ignored_and_absent_ones_have_no_vector(folder):
    parquet(folder, "users", ["7", "nobody", "u,1"])
    users, _ = read(folder)
    assert users.vectors.there.tolist() == [True, True, False]
    assert users.vectors.matrix[2].tolist() == [0, 0, 0]
    assert (users.vectors.missing, users.unused) == (1, 1)
    np.testing.assert_array_equal(users.vectors.matrix[1], vectors(["7"])[0])


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 3), pa.list_(pa.float16())]
)
def test_every_list_of_floats_is_read(folder, kind):
    matrix = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float16)
    parquet(folder, "users", ["u,1", "7", "ü\n"], matrix, kind)
    np.testing.assert_array_equal(read(folder)[0].vectors.matrix, matrix.astype(np.float32))


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.dictionary(pa.int32(), pa.string())])
def test_ids_may_be_numbers_or_a_dictionary(folder, kind):
    values = pa.array(["3", "1"]).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array([3, 1], kind)
    parquet(folder, "users", values, vectors(["3", "1"]))
    users, _ = read(folder, users=pa.array(["1", "3"]))
    np.testing.assert_array_equal(users.vectors.matrix, vectors(["1", "3"]))


def test_windows_line_ends_a_byte_order_mark_and_no_last_line_end(folder):
    (folder / "items.ids.txt").write_bytes(b"\xef\xbb\xbfd\r\nc\r\nb\r\na")
    np.testing.assert_array_equal(read(folder)[1].vectors.matrix, vectors(ITEMS.to_pylist()))


def test_the_run_s_own_ids_of_another_format_are_named_beside_the_file_s(folder):
    parquet(folder, "users", ["user_7", "ü\n", "user_1"])
    told = error(folder)
    assert "2 of the run's 3 users (such as 'u,1') are not in" in told
    assert "which has ids such as 'user_7': write ids as the source has them" in told


def test_an_empty_file(folder):
    parquet(folder, "users", pa.array([], pa.string()), np.zeros((0, 3)))
    assert "which is empty" in error(folder)
    assert "which is empty" in error_after(folder, lambda: npy(folder, "items", [], np.zeros((0, 3))))


def error_after(folder, change):
    parquet(folder, "users", ["7", "ü\n", "u,1"])
    change()
    return error(folder)


def test_users_and_items_of_two_lengths(folder):
    npy(folder, "items", ["a", "b", "c", "d"], vectors("abcd", d=4))
    assert "have 3 numbers and those of items 4: both must come from one model" in error(folder)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_numbers_that_are_not_finite_in_float32_name_their_row(folder, bad):
    matrix = vectors("abcd", dtype=np.float64)
    matrix[2, 1] = bad
    npy(folder, "items", list("abcd"), matrix)
    assert error(folder).startswith(f"row 3 of {folder}/items.npy has a number that is not finite in float32")
    parquet(folder, "users", ["u,1", "7", "ü\n"], matrix[:3], pa.list_(pa.float64()))
    assert error(folder).startswith(f"row 3 of {folder}/users.parquet has a number")


def test_what_is_not_used_may_be_anything_finite_or_not(folder):
    matrix = vectors(["u,1", "7", "ü\n", "x"])
    matrix[3] = np.nan
    parquet(folder, "users", ["u,1", "7", "ü\n", "x"], matrix)
    assert read(folder)[0].unused == 1


def test_an_id_in_two_rows(folder):
    npy(folder, "items", ["a", "b", "c", "d", "b"])
    assert "items.npy has id 'b' 2 times: keep one row an id" in error(folder)


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (["7", "", "u,1"], "row 2 of .*users.parquet has no id"),
        (["7", None, "u,1"], "row 2 of .* has no id"),
        (["7", "u,1", "x" * 5000], "row 3 of .* has an id of 5000 characters"),
    ],
)
def test_ids_that_are_none_or_huge(folder, ids, told):
    parquet(folder, "users", ids, vectors(["a", "b", "c"]))
    with pytest.raises(InputError, match=told):
        read(folder)


@pytest.mark.parametrize(
    ("lists", "told"),
    [
        ([[1.0], [1.0, 2.0], [1.0]], "row 2 of .* has a vector of 2 numbers"),
        ([[1.0], None, [1.0]], "row 2 of .* has a vector of 0 numbers"),
        ([[], [], []], "row 1 of .* has a vector of 0 numbers"),
        ([[1.0], [None], [1.0]], "row 2 of .* not finite"),
    ],
)
def test_vectors_that_are_uneven_missing_or_have_holes(folder, lists, told, monkeypatch):
    table = pa.table({"id": ["u,1", "7", "ü\n"], "vector": pa.array(lists, pa.list_(pa.float32()))})
    pq.write_table(table, folder / "users.parquet")
    for rows in (8192, 1):
        monkeypatch.setattr(own_vectors, "_BLOCK_ROWS", rows)
        with pytest.raises(InputError, match=told):
            read(folder)


def change_npy(matrix):
    return lambda folder: np.save(folder / "items.npy", matrix, allow_pickle=True)


HEADS = {
    "int64": (change_npy(np.zeros((4, 3), np.int64)), r"items.npy holds int64\[4, 3\], but float\[n, d\]"),
    "pickles": (change_npy(np.array([[object()]], object)), r"holds object\[1, 1\]"),
    "one axis": (change_npy(np.zeros(12, np.float32)), r"holds float32\[12\]"),
    "no axis": (change_npy(np.float32(1)), r"holds float32\[\]"),
    "wide": (change_npy(np.zeros((1, 70_000), np.float32)), r"d up to 65536"),
    "fortran": (change_npy(np.asfortranarray(vectors("abcd"))), "Fortran order"),
    "fields": (change_npy(np.zeros((4, 1), [("中", "f4")])), "version"),
    "garbage": (lambda folder: (folder / "items.npy").write_bytes(b"PK\x03\x04 nothing"), "no readable .npy"),
    "empty": (lambda folder: (folder / "items.npy").write_bytes(b""), "no readable .npy"),
    "no parquet": (lambda folder: (folder / "users.parquet").write_bytes(b"id,vector"), "no readable Parquet file"),
    "cut": (lambda folder: (folder / "items.npy").write_bytes((folder / "items.npy").read_bytes()[:-1]), "announces"),
    "columns": (
        lambda folder: pq.write_table(pa.table({"user": ["a"], "vector": [[1.0]]}), folder / "users.parquet"),
        "needs one column 'id' and has user, vector: rename it",
    ),
    "float ids": (
        lambda folder: parquet(folder, "users", pa.array([7.0, 1.0, 2.0]), vectors("abc")),
        "column id of .* is double, but string or integer is needed",
    ),
    "text vectors": (
        lambda folder: pq.write_table(pa.table({"id": ["a"], "vector": ["[1, 2]"]}), folder / "users.parquet"),
        "column vector of .* is string, but a list of floats is needed",
    ),
    "both": (lambda folder: npy(folder, "users", ["7"]), "has both .*users.parquet and .*users.npy: keep one"),
    "no side": (lambda folder: (folder / "users.parquet").unlink(), r"lacks .*users.parquet or .*users.npy: give"),
    "no ids": (lambda folder: (folder / "items.ids.txt").unlink(), r"lacks .*items.ids.txt: give"),
}


@pytest.fixture(params=HEADS)
def broken(request, folder):
    change, told = HEADS[request.param]
    change(folder)
    return folder, told


def test_what_a_head_tells_is_known_before_anything_runs(broken):
    folder, told = broken
    with pytest.raises(InputError, match=told):
        check_teacher(config(folder))
    with pytest.raises(InputError, match=told):
        read(folder)


def test_damaged_parquet(folder):
    data = bytearray((folder / "users.parquet").read_bytes())
    data[4:60] = b"\xff" * 56
    (folder / "users.parquet").write_bytes(bytes(data))
    assert "damaged" in error(folder)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a\nb\nc\n", "has 3 lines and .* 4 rows"),
        (b"a\nb\n\nd\n", "row 3 of .*items.ids.txt has no id"),
        (b"a\nb\n\xff\nd\n", "is not UTF-8 near byte 4"),
        (b"a" * 200_000, "is too big for 4 ids"),
    ],
)
def test_lists_of_ids_that_can_t_be(folder, data, told):
    (folder / "items.ids.txt").write_bytes(data)
    with pytest.raises(InputError, match=told):
        read(folder)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="lacks"):
        check_teacher(config(tmp_path / "none"))
    with pytest.raises(InputError, match="can't be opened"):
        check_teacher(config("ftp://nowhere/x"))


def test_the_check_passes_and_needs_no_files_for_a_trained_teacher(folder):
    check_teacher(config(folder))
    check_teacher(
        config(folder).model_copy(update={"teacher": config("x").teacher.model_copy(update={"embeddings": None})})
    )


def test_the_identity_is_that_of_the_content_not_of_the_place(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("moved")
    for file in folder.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    before = own_identity(str(folder))
    assert own_identity(str(other)) == before
    changed = bytearray((other / "items.npy").read_bytes())
    changed[-1] ^= 1
    (other / "items.npy").write_bytes(bytes(changed))
    assert own_identity(str(other)) != before
    (folder / "items.ids.txt").write_text("c\nd\nb\na\n")
    assert own_identity(str(folder)) != before


@pytest.mark.parametrize("head", [b"[" * 5000, b"-" * 9000 + b"1", b"{'a': (", b"'"], ids=len)
def test_a_head_that_python_can_t_parse(folder, head):
    (folder / "users.parquet").unlink()
    (folder / "users.ids.txt").write_bytes(b"a\n")
    (folder / "users.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
    assert "is no readable .npy file" in error(folder)
