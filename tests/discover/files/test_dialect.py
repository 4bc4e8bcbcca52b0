"""Random tables, written in random dialects, are recovered."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlm_ray.discover.files.dialect import dialect_of, split_rows

WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=12)
PHRASES = st.lists(WORDS, min_size=1, max_size=5).map(" ".join)


@st.composite
def tables(draw, cells=PHRASES):
    width = draw(st.integers(2, 7))
    return draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=3, max_size=30))


def written(rows, separator, quoting):
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator, quoting=quoting, lineterminator="\n").writerows(rows)
    return stream.getvalue()


@settings(max_examples=40)
@given(tables(), st.sampled_from(",;\t|"), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_a_table_of_words_is_split_as_it_was_written(rows, separator, quoting):
    text = written(rows, separator, quoting)
    found = dialect_of(text)
    assert (found.kind, found.separator, found.width, found.share) == ("csv", separator, len(rows[0]), 1.0)
    assert split_rows(text, found) == rows


@settings(max_examples=40)
@given(tables(st.text(st.sampled_from('ab ,;|\t"'), max_size=6).map(lambda text: f"x{text}")), st.sampled_from(",;\t|"))
def test_separators_and_quotes_inside_quoted_fields_mislead_nobody(rows, separator):
    text = written([["name"] * len(rows[0]), *rows], separator, csv.QUOTE_ALL)
    found = dialect_of(text)
    assert (found.separator, found.quoting) == (separator, True)
    assert split_rows(text, found)[1:] == rows


@pytest.mark.parametrize("separator", ["::", "||", ", ", " | ", "\x01", "~"])
def test_odd_separators_are_told_from_shorter_ones(separator):
    rows = [["1", "Toy Story (1995)", "Animation", "5"], ["2", "Heat (1995)", "Crime", "4"]] * 3
    found = dialect_of("\n".join(separator.join(row) for row in rows))
    assert found.separator == separator
    assert split_rows("\n".join(separator.join(row) for row in rows), found) == rows


def test_decimal_commas_and_lists_do_not_hide_the_separator():
    lines = [f"{user};{user % 7};4,5;01.02.2020" for user in range(30)]
    assert dialect_of("\n".join(lines)).separator == ";"
    assert dialect_of("\n".join(f"{n}\tdrama|crime|war\t{n},5" for n in range(30))).separator == "\t"


def test_a_stray_quote_at_the_start_of_fields_makes_it_an_ordinary_character():
    lines = [f'{n}\t"Heat" is good\t5' if n % 2 else f"{n}\tHeat\t4" for n in range(40)]
    found = dialect_of("\n".join(lines))
    assert (found.separator, found.quoting, found.share) == ("\t", False, 1.0)


def test_json_lines_a_json_document_and_prose_are_told_apart():
    lines = "\n".join(json.dumps({"user": n, "nested": {"a": [1, {}]}}) for n in range(5))
    assert (dialect_of(lines).kind, dialect_of(lines).share) == ("jsonl", 1.0)
    assert dialect_of(json.dumps([{"user": 1}], indent=1)).kind == "json"
    assert dialect_of("just\nwords") is None
    assert dialect_of("[" * 100_000) is None or dialect_of("[" * 100_000).kind == "json"
