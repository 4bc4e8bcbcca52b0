"""Arrow's parser and the careful one give the same, or Arrow's is not asked."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import FileFormat, TableSource
from hnlm_ray.sources import Rejects, read_interactions
from hnlm_ray.sources.readers import delimited
from hnlm_ray.sources.readers import streams as lines
from hnlm_ray.sources.readers.delimited import clean_columns
from hnlm_ray.sources.readers.streams import Block

PIECES = [
    "a",
    "1",
    ",",
    ",",
    ",",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\r",
    '"',
    '""',
    "\0",
    " ",
    "é",
    "\ufeff",
    "\x1f",
    "::",
    "NA",
]
PIECES += ["\\", "'", "\x85", "\u2028", "\t", "#", "u,i,3\n", "v,j,4\n", "w,k,\n"]


SETTINGS = {"skip_lines": 1, "comment": "u", "missing": ["NA", "1"], "unreadable": "missing", "rating_range": [2, 9]}


def read(path, **options):
    """Return the rows, what was rejected, and the error if there is one."""
    columns = {"user": "0", "item": "1", "rating": "2"}
    file = {"path": str(path), "columns": columns, "header": False, **options}
    rejects, rows = Rejects(), []
    try:
        for table in read_interactions(TableSource(format="table", interactions=file, max_bad_share=1.0), rejects):
            rows += table.to_pylist()
    except SourceError as error:
        return rows, str(error)
    return rows, rejects.table().to_pylist(), rejects.lines, dict(rejects.by_reason)


def both(path, block=lines.READ_BYTES, **options):
    """Read with the careful parser alone, then as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "READ_BYTES", block)
        result = read(path, **options)
        patch.setattr(delimited, "clean_columns", lambda *_, **__: None)
        return read(path, **options), result


@given(
    st.lists(st.sampled_from(PIECES), max_size=40),
    st.sampled_from([{}, {"quoting": False}, {"separator": "::"}, {"separator": "\t"}, {"comment": "#"}, SETTINGS]),
    st.sampled_from([7, 16, 64, 4096]),
)
@example(["u,i,3\n", "v,j,4"], {}, 4096)
@example(["u,i,3\n", "\ufeff", "v,j,4\n"], {}, 7)
@example(["u,i,3\r\n", "v,j,4\r\n", "w,k,5\r"], {}, 4096)
def test_both_parsers_give_the_same(tmp_path_factory, pieces, options, block):
    path = tmp_path_factory.getbasetemp() / "hostile.csv"
    first = "u0,i0,1".replace(",", options.get("separator", ","))
    path.write_bytes("".join([first, "\n", *pieces]).encode())
    careful, result = both(path, block, **options)
    assert result == careful


@given(st.binary(max_size=60))
def test_both_parsers_give_the_same_for_any_bytes(tmp_path_factory, body):
    path = tmp_path_factory.getbasetemp() / "bytes.csv"
    path.write_bytes(b"u0,i0,1\n" + body)
    careful, result = both(path)
    assert result == careful


def columns_of(text, separator=",", *, quoting=True, damaged=False):
    block = Block(1, text, damaged, ends=False)
    found = clean_columns(block, separator, ["x", "y", "z"], ["z", "x"], quoting=quoting)
    return found and {name: column.to_pylist() for name, column in found.items()}


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a,b,c\n1,2,3", {}),
        ("a,b,c\r\n1,2,3\r", {}),
        ("a::b::c\n1::2::3", {"separator": "::"}),
        ("a§b§c\n1§2§3", {"separator": "§"}),
        ("a\tb\tc\n1\t2\t3", {"separator": "\t", "quoting": False}),
    ],
)
def test_plain_lines_are_read(text, options):
    assert columns_of(text, **options) == {"z": ["c", "3"], "x": ["a", "1"]}


@pytest.mark.parametrize(
    "text", ["", "a,b,c\n", "a,b,c\n\n1,2,3", '"a",b,c', "a,b\0,c", "a,b,c\n1,2", "a,\rb,c", "\ufeffa,b,c"]
)
def test_odd_lines_are_left_to_the_careful_parser(text):
    assert columns_of(text) is None


def test_texts_stay_as_they_are():
    assert columns_of(" NA ,,null\n''\\n,\\N,#") == {"z": ["null", "#"], "x": [" NA ", "''\\n"]}
    assert columns_of('"a",b,"', quoting=False) == {"z": ['"'], "x": ['"a"']}
    assert columns_of("a,b,c", damaged=True) is None


def test_a_header_in_quotes_leaves_the_rest_clean(tmp_path, monkeypatch):
    asked = []

    def noted(block, *arguments, **options):
        asked.append((block.first, clean_columns(block, *arguments, **options) is not None))
        return clean_columns(block, *arguments, **options)

    monkeypatch.setattr(delimited, "clean_columns", noted)
    path = tmp_path / "r.csv"
    path.write_text('"user_id","item_id"\nu,i\nv,j\n', encoding="utf-8")
    source = TableSource(format="table", interactions={"path": str(path)})
    assert [table.num_rows for table in read_interactions(source, Rejects())] == [2]
    assert asked[0] == (2, True)
    assert FileFormat(path="x").quoting
