"""Drawing exported negatives: by ids, by tensors, with what is missing."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.base.errors import InputError
from hnlm_ray.export.negative_sampler import NOT_FOUND, PoolNegatives
from hnlm_ray.export.negatives import SCHEMA

ROWS = [
    ("b", "x", "z", 1.0),
    ("a", "y", "x", 1.0),
    ("a", "x", "y", 3.0),
    ("b", "x", "w", 2.0),
    ("a", "x", "z", 1.0),
]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def table(rows):
    return pa.table([*zip(*rows, strict=True), ["own/exact"] * len(rows)] if rows else [[]] * 5, schema=SCHEMA)


@pytest.fixture
def negatives():
    return PoolNegatives(table(ROWS).drop_columns(["source"]))


def seeded(device="cpu", seed=1):
    return torch.Generator(device).manual_seed(seed)


@pytest.mark.parametrize("device", DEVICES)
def test_draws_are_in_proportion_to_the_weights_of_each_pair(negatives, device):
    encoded = negatives.encoded(["b", "a"], ["w", "x", "y", "z"]).to(device)
    users = torch.tensor([1, 0, 1, 1], device=device).repeat(6000)
    positives = torch.tensor([1, 1, 2, 0], device=device).repeat(6000)
    drawn, found = encoded.draw(users, positives, seeded(device))
    assert drawn.device == found.device == users.device
    shares = [torch.bincount(drawn[n::4].clamp(min=0), minlength=4).cpu().numpy() / 6000 for n in range(3)]
    np.testing.assert_allclose(shares[0], [0, 0, 0.75, 0.25], atol=0.03)
    np.testing.assert_allclose(shares[1], [2 / 3, 0, 0, 1 / 3], atol=0.03)
    np.testing.assert_allclose(shares[2], [0, 1, 0, 0])
    assert found[0::4].all()
    assert not found[3::4].any()
    assert (drawn[3::4] == NOT_FOUND).all()


def test_a_generator_decides_the_draw(negatives):
    encoded = negatives.encoded(["a", "b"], ["w", "x", "y", "z"])
    pairs = torch.zeros(200, dtype=torch.long), torch.ones(200, dtype=torch.long)
    first = encoded.draw(*pairs, seeded())[0]
    assert torch.equal(first, encoded.draw(*pairs, seeded())[0])
    assert not torch.equal(first, encoded.draw(*pairs, seeded(seed=2))[0])


@given(st.data())
def test_each_draw_is_an_entry_of_its_own_pair(data):
    ids = st.sampled_from(["a", "b", "c", "d", "e"])
    rows = data.draw(st.lists(st.tuples(ids, ids, ids, st.sampled_from([1e-6, 0.5, 1.0, 1e6])), max_size=30))
    users, items = (data.draw(st.permutations(["a", "b", "c", "d", "e"])) for _ in range(2))
    encoded = PoolNegatives(table(rows).drop_columns(["source"])).encoded(users, items)
    pairs = [(user, item) for user in range(5) for item in range(5)]
    drawn, found = encoded.draw(*torch.tensor(pairs).T, seeded())
    entries = {}
    for user, positive, negative, _ in rows:
        entries.setdefault((user, positive), set()).add(negative)
    for (user, item), negative, there in zip(pairs, drawn.tolist(), found.tolist(), strict=True):
        mine = entries.get((users[user], items[item]), set())
        assert there == bool(mine)
        assert (items[negative] in mine) if there else negative == NOT_FOUND


def test_by_ids_the_same_without_any_index(negatives):
    drawn, found = negatives.sample(["a", "a", "b", "nobody", "b"], ["y", "x", "x", "x", "nothing"], seeded())
    assert found.tolist() == [True, True, True, False, False]
    assert drawn[0] == "x"
    assert drawn[1] in {"y", "z"}
    assert drawn[2] in {"w", "z"}
    assert drawn[3:] == [None, None]
    many, _ = negatives.sample(["a"] * 4000, ["x"] * 4000, seeded())
    assert many.count("y") / 4000 == pytest.approx(0.75, abs=0.03)


def test_the_uniform_fallback_is_asked_for_and_never_the_positive(negatives):
    encoded = negatives.encoded(["a", "b"], ["w", "x", "y", "z"])
    users, positives = torch.ones(4000, dtype=torch.long), torch.full((4000,), 2)
    drawn, found = encoded.draw(users, positives, seeded(), fallback="uniform")
    assert not found.any()
    counts = torch.bincount(drawn, minlength=4) / 4000
    np.testing.assert_allclose(counts.numpy(), [1 / 3, 1 / 3, 0, 1 / 3], atol=0.03)
    known, found = encoded.draw(users, torch.ones_like(users), seeded(), fallback="uniform")
    assert found.all()
    assert set(known.tolist()) == {0, 3}


def test_entries_outside_your_vocabulary_are_left_out_and_counted(negatives):
    encoded = negatives.encoded(["a"], ["x", "y", "new"])
    assert encoded.unknown == 3
    drawn, found = encoded.draw(torch.tensor([0, 0, 0]), torch.tensor([0, 1, 2]), seeded())
    assert (drawn.tolist(), found.tolist()) == ([1, 0, NOT_FOUND], [True, True, False])


def test_an_index_outside_finds_nothing_instead_of_another_pair_s(negatives):
    encoded = negatives.encoded(["a", "b"], ["w", "x", "y", "z"])
    # Items 5 of user 0 and -3 of user 2 would have the key of (1, 1), which has entries.
    _, found = encoded.draw(torch.tensor([0, 2, 1]), torch.tensor([5, -3, 1]), seeded())
    assert found.tolist() == [False, False, True]


def test_an_empty_pool_finds_nothing():
    encoded = PoolNegatives(table([]).drop_columns(["source"])).encoded(["a"], ["x", "y"])
    drawn, found = encoded.draw(torch.zeros(3, dtype=torch.long), torch.zeros(3, dtype=torch.long))
    assert (drawn.tolist(), found.tolist()) == ([NOT_FOUND] * 3, [False] * 3)
    assert encoded.draw(torch.tensor([0]), torch.tensor([0]), fallback="uniform")[0].tolist() == [1]


def test_ids_named_twice_and_a_fallback_without_items(negatives):
    with pytest.raises(InputError, match="item_ids has 'x' twice"):
        negatives.encoded(["a"], ["x", "y", "x"])
    alone = PoolNegatives(table([]).drop_columns(["source"])).encoded(["a"], ["x"])
    with pytest.raises(InputError, match="one item alone"):
        alone.draw(torch.tensor([0]), torch.tensor([0]), fallback="uniform")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_both_formats_give_the_same(tmp_path, ending):
    odd = [('a,"b"', "x\ny", " z ", 0.25), ("007", "", "é", 1e-3)]
    path = str(tmp_path / f"n.{ending}")
    (pacsv.write_csv if ending == "csv" else pq.write_table)(table(odd), path)
    rows = PoolNegatives.read(path).rows.to_pylist()
    assert [tuple(row.values())[:3] for row in rows] == [row[:3] for row in odd]
    assert [row["weight"] for row in rows] == pytest.approx([0.25, 1e-3])


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (b"user,positive,negative,weight\na,x,z,0\n", "weight that is not above 0"),
        (b"user,positive,negative,weight\na,x,z,inf\n", "weight that is not above 0"),
        (b"user,positive,negative,weight\na,x,z,\n", "rows without a user, positive, negative or weight"),
        (b"user,positive,negative,weight\na,x,z,much\n", "can't be read as exported negatives"),
        (b"user,positive,negative\na,x,z\n", "can't be read as exported negatives"),
        (b"", "can't be read as exported negatives"),
    ],
)
def test_files_that_are_no_export(tmp_path, rows, told):
    (tmp_path / "n.csv").write_bytes(rows)
    with pytest.raises(InputError, match=told) as raised:
        PoolNegatives.read(str(tmp_path / "n.csv"))
    assert "\n" not in str(raised.value)
    for path in (tmp_path / "none.parquet", tmp_path):
        with pytest.raises(InputError, match="can't be read"):
            PoolNegatives.read(str(path))


def test_it_needs_no_ray():
    code = "import sys, hnlm_ray.export.negative_sampler; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_example_of_the_document_runs_as_it_is_printed(tmp_path, monkeypatch, capsys):
    document = Path(__file__).parents[2] / "docs" / "export.md"
    (block,) = re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    rows = [("anna", "alien", "aliens", 1.0), ("anna", "heat", "aliens", 0.5), ("carl", "up", "heat", 1.0)]
    pq.write_table(table(rows), tmp_path / "negatives.parquet")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    exec(compile(block, str(document), "exec"), {})
    loss, share, unknown = capsys.readouterr().out.split()
    assert float(loss) < 0.1
    assert (share, unknown) == ("0.67", "1")


@pytest.mark.parametrize("path", ["", ".", "a\0b.csv", "\ud800.csv", "none.parquet"])
def test_what_is_no_file_is_refused(path):
    with pytest.raises(InputError, match="export"):
        PoolNegatives.read(path)
