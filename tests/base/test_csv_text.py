"""Formula injection: no cell starts a formula, and every text comes back."""

import csv
import io

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.base.csv_text import escaped, unescaped

TEXTS = st.lists(st.none() | st.text(st.sampled_from("='+-@\t\r\n\"1.e,a") | st.characters(codec="utf-8"), max_size=8))
STARTS = ("=", "+", "-", "@", "\t", "\r")


def is_number(text):
    try:
        return float(text) is not None and text.strip("+-0123456789.eE") == ""
    except ValueError:
        return False


@given(TEXTS)
def test_texts_come_back_and_no_cell_is_a_formula(texts):
    column = pa.chunked_array([texts], pa.string())
    cells, changed = escaped(column)
    assert unescaped(cells).to_pylist() == texts
    assert changed == sum(a != b for a, b in zip(texts, cells.to_pylist(), strict=True))
    assert all(not cell.startswith(STARTS) or is_number(cell) for cell in cells.to_pylist() if cell is not None)


@pytest.mark.parametrize("text", ["-5", "+1.5", "-.5e-3", "12", "", "a=1", "'a", "''"])
def test_plain_numbers_and_harmless_texts_stay(text):
    assert escaped(pa.chunked_array([[text]]))[0].to_pylist() == [text]


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''-x", "-", "-5\n=1"])
def test_formulas_get_an_apostrophe(text):
    assert escaped(pa.chunked_array([[text]]))[0].to_pylist() == [f"'{text}"]


@given(st.lists(st.text(st.sampled_from("='+-@\t\r\n\",a1"), max_size=6), min_size=1))
def test_texts_come_back_through_a_file(texts):
    buffer = io.BytesIO()
    pacsv.write_csv(pa.table({"id": escaped(pa.chunked_array([texts], pa.string()))[0]}), buffer)
    _, *rows = csv.reader(io.StringIO(buffer.getvalue().decode(), newline=""))
    assert unescaped(pa.chunked_array([[row[0] for row in rows]], pa.string())).to_pylist() == texts
