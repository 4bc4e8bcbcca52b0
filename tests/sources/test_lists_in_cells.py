import ast
import time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.config import ItemFile, TableSource
from hnlm_ray.sources import Rejects, read_items
from hnlm_ray.sources.readers.literals import lists_as_text, parse_line, parse_literal


def written(*cells):
    return lists_as_text(pa.array(cells, pa.string())).to_pylist()


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("['Pork', 'Rich Fish']", "Pork, Rich Fish"),
        ('["a","b"]', "a, b"),
        (" [ \"it's\" , 'so'] ", "it's, so"),
        ("[2020, 'N.V.', None]", "2020, N.V."),
        ("[['a'], ['b', 'c']]", "a, b, c"),
        ("[]", None),
        ("[Verse] la [end]", "[Verse] la [end]"),
        ("['a', nan]", "['a', nan]"),
        ("['open', 'quote]", "['open', 'quote]"),
        ("[__import__('os').getcwd()]", "[__import__('os').getcwd()]"),
        ("{'a': 1}", "{'a': 1}"),
        ('["\\ud83d"]', '["\\ud83d"]'),
        ("plain", "plain"),
        (None, None),
    ],
)
def test_lists_in_cells_become_text_and_all_else_stays(cell, text):
    assert written(cell, "other", cell) == [text, "other", text]


@pytest.mark.parametrize(
    "bomb",
    [
        "[" * 100_000 + "]" * 100_000,
        "[" * 4000 + "]" * 4000,
        "[" * 300 + "'a'" + "]" * 300,
        "['a'" + "[0]" * 2000 + "]",
        "[1" + " -1" * 3000 + "]",
        "[" + "-" * 9000 + "1]",
        "['" + "\\'" * 4000 + "]",
        "[" + "'a' " * 2000 + "]",
        "[" + "9" * 9000 + "]",
    ],
)
def test_a_bomb_is_cheap_and_stays_text(bomb):
    started = time.monotonic()
    assert written(bomb) == [bomb]
    assert time.monotonic() - started < 5


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_what_python_writes_is_read_back(value):
    assert parse_literal(repr(value)) == value
    assert parse_line(repr({"line": value})) == {"line": value}


@given(st.text(alphabet="[]{}()'\"\\,:-+.0e1aTrueNone \n", max_size=60))
def test_no_text_escapes_the_bounds(text):
    try:
        parse_literal(text)
    except ValueError:
        return


@pytest.mark.parametrize(
    "line",
    [
        """{'a': "it's", 'b': 'say "hi"', "c": ['{"x"}', '']}""",
        """{'a': 'tab\tin', 'b': None, 'c': True}""",
        """{'a': 'it\\'s', 'b': '\\x41 \\u00e9', 'c': -1.5e3}""",
        """{'a': 'é', 'b': "'", 'c': '"'}""",
    ],
)
def test_a_line_is_what_python_reads(line):
    assert parse_line(line) == ast.literal_eval(line)


@pytest.mark.parametrize(
    "line", ["{'a': 'b}", "{'a': b'c'}", "{'a': f'{1}'}", "{'a': x}", "'" * 99_999, "\"'" * 50_000]
)
def test_a_line_that_is_no_literal_is_told(line):
    with pytest.raises(ValueError, match="literal"):
        parse_line(line)


def test_attributes_and_texts_are_unfolded_and_titles_never(tmp_path):
    (tmp_path / "i.csv").write_text(
        'item_id,title,grapes,notes\n1,"[\'Title\']","[\'Muscat\', \'Syrah\']","[""dry"", ""red""]"\n2,[],[],x\n'
    )
    columns = {"attributes": ["grapes"], "text": ["notes"]}
    items = ItemFile(path=str(tmp_path / "i.csv"), columns=columns)
    source = TableSource(format="table", interactions={"path": "-"}, items=items)
    first, second = next(read_items(source, Rejects())).to_pylist()
    assert first == {
        "item_id": "1",
        "title": "['Title']",
        "attributes": [("grapes", "Muscat, Syrah")],
        "text": "dry, red",
    }
    assert second == {"item_id": "2", "title": "[]", "attributes": [], "text": "x"}
