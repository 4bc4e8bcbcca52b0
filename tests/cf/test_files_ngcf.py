import numpy as np
import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.files import load_folder, read_ngcf


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.txt").write_text("0 1 2\n1 0\n2\n")
    (tmp_path / "test.txt").write_text("0 3\n3 1 0\n")
    return tmp_path


def lists(positives):
    return [positives.items[a:b].tolist() for a, b in zip(positives.indptr[:-1], positives.indptr[1:], strict=True)]


def test_users_items_and_splits_are_read(folder):
    data = read_ngcf(folder)
    assert (data.users, data.items, data.validation) == (4, 4, None)
    assert lists(data.train) == [[1, 2], [0], [], []]
    assert lists(data.test) == [[3], [], [], [0, 1]]


@pytest.mark.parametrize("name", ["validation.txt", "valid.txt", "val.txt"])
def test_a_validation_file_goes_by_three_names(folder, name):
    (folder / name).write_text("1 3\n")
    assert lists(read_ngcf(folder).validation) == [[], [3], [], []]


@pytest.mark.parametrize(
    "raw",
    [
        b"0 1 2\r\n1 0\r\n2\r\n",
        b"\xef\xbb\xbf0 1 2\n1 0\n2",
        b"\n0\t1  2 \n\n 1 0\n2\n\n",
        b"2\n1 0\n0 2 1",
        b"0 00000000000001 2\n1 0\n2\n",
    ],
)
def test_line_ends_marks_blanks_and_order_do_not_matter(folder, raw):
    expected = lists(read_ngcf(folder).train)
    (folder / "train.txt").write_bytes(raw)
    assert lists(read_ngcf(folder).train) == expected


def test_a_large_file_is_read_as_line_by_line(tmp_path):
    rng = np.random.default_rng(0)
    rows = {user: rng.choice(500, rng.integers(0, 40), replace=False).tolist() for user in rng.permutation(300)}
    (tmp_path / "train.txt").write_text("".join(" ".join(map(str, (u, *items))) + "\n" for u, items in rows.items()))
    assert lists(read_ngcf(tmp_path).train) == [sorted(rows[user]) for user in range(300)]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"0 1\n1 x2\n", "train.txt, line 2: 'x2' is no whole number"),
        (b"0 1\n1 -2\n", "train.txt, line 2: '-2' is no whole number"),
        (b"0 1\n1 2.5\n", "train.txt, line 2: '2.5' is no whole number"),
        (b"0 1\n\n1 1e3\n", "train.txt, line 3: '1e3' is no whole number"),
        (b"0 1\n1 NaN\n", "train.txt, line 2: 'NaN' is no whole number"),
        (b"0,1\n", "train.txt, line 1: '0,1' is no whole number"),
        ("0 \u0661\n".encode(), "train.txt, line 1: '\u0661' is no whole number"),
        (b"\x89PNG\x00\xff\n", "train.txt, line 1: "),
        (b"0 1\n1 2147483647\n", "train.txt, line 2: 2147483647 is above 2147483646"),
        (b"0 1\n99999999999999999999999 1\n", "train.txt, line 2: 99999999999999999999999 is above 2147483646"),
        (b"0 1 2 1\n", "train.txt, line 1: user 0 has item 1 twice"),
        (b"0 1\n1 2\n\n0 3\n", "train.txt, line 4: user 0 has a line above already"),
        (b"0\n1\n", "no training pair"),
        (b"", "no training pair"),
        (b"0 2000000000\n", "has 4 items with numbers up to 2000000000: number them from 0 on"),
        (b"0 3\n", "are in train and test; every pair belongs to one split"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_place(folder, raw, told):
    (folder / "train.txt").write_bytes(raw)
    with pytest.raises(InputError) as error:
        read_ngcf(folder)
    assert told in str(error.value)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_files_are_told(folder):
    with pytest.raises(InputError, match="is no folder"):
        load_folder(folder / "none", "ngcf")
    (folder / "train.txt").unlink()
    with pytest.raises(InputError, match=r"has no train\.txt"):
        read_ngcf(folder)


def test_two_validation_files_are_refused(folder):
    for name in ("val.txt", "valid.txt"):
        (folder / name).write_text("0 0\n")
    with pytest.raises(InputError, match=r"valid\.txt and val\.txt: keep one"):
        read_ngcf(folder)


def test_a_held_out_file_without_pairs_is_as_none(folder):
    (folder / "test.txt").write_text("0\n5\n")
    data = read_ngcf(folder)
    assert data.test is None
    assert data.users == 6
