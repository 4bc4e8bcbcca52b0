"""Preambles, comments, headers and rows of another width, and what repeats in a file."""

import pytest

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import TableSource
from hnlm_ray.sources import Rejects, read_interactions
from hnlm_ray.sources.readers import delimited
from hnlm_ray.sources.readers import streams as lines
from hnlm_ray.sources.readers.records import RowShape, table_names

UI = {"user": "u", "item": "i"}


def read(path, columns=UI, share=1.0, **options):
    file = {"path": str(path), "columns": columns, **options}
    rejects = Rejects()
    source = TableSource(format="table", interactions=file, max_bad_share=share)
    rows = [row for table in read_interactions(source, rejects) for row in table.to_pylist()]
    return [(row["user_id"], row["item_id"]) for row in rows], rejects


def reasons(rejects):
    return [(row["line"], row["reason"]) for row in rejects.table().to_pylist()]


@pytest.fixture
def write(tmp_path):
    def write(text, name="r.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return write


@pytest.fixture(params=["as it is", "careful", 1, 64])
def blocks(request, monkeypatch):
    """Blocks of any size, and the careful parser alone."""
    if isinstance(request.param, int):
        monkeypatch.setattr(lines, "READ_BYTES", request.param)
    elif request.param == "careful":
        monkeypatch.setattr(delimited, "clean_columns", lambda *_, **__: None)


@pytest.mark.usefixtures("blocks")
def test_lines_above_the_table_are_left_out_and_numbers_stay_physical(write):
    path = write("sep=,\r\n\r\nExport of May\r\nu,i\r\na,1\r\n,2\r\nb,3\r\n")
    rows, rejects = read(path, skip_lines=3)
    assert rows == [("a", "1"), ("b", "3")]
    assert (rejects.lines, reasons(rejects)) == (3, [(6, "user id is empty: ''")])


@pytest.mark.usefixtures("blocks")
def test_comments_are_no_rows_wherever_they_stand(write):
    text = '# by x\n\n#,"\nTitle\n# again\nu,i\n# one\na,1\n#,,,\n,2\n"b\n# in a cell",3\n# "\nc,4\n#'
    rows, rejects = read(write(text), skip_lines=2, comment="#")  # a blank line is a line
    assert rows == [("a", "1"), ("b\n# in a cell", "3"), ("c", "4")]
    assert (rejects.lines, reasons(rejects)) == (4, [(10, "user id is empty: ''")])


@pytest.mark.usefixtures("blocks")
def test_names_in_the_last_comment_are_the_configuration_s(write):
    path = write("# a graph\n# u\ti\na\t1\nb\t2\n", "g.txt")
    assert read(path, header=False, names=["u", "i"], separator="\t", comment="#")[0] == [("a", "1"), ("b", "2")]


def test_a_block_with_comments_stays_on_the_fast_way(write, monkeypatch):
    careful = []
    plain = delimited.RowParser.rows
    monkeypatch.setattr(delimited.RowParser, "rows", lambda self, block: careful.append(block) or plain(self, block))
    assert len(read(write("u,i\n" + "# c\na,1\n" * 500), comment="#")[0]) == 500
    assert sum(block.text.count("\n") for block in careful) == 0


def test_comments_and_lines_above_json_lines(write):
    path = write('{"no": 1}\n// c\n{"u": "a", "i": "1"}\n// d\n{"u"\n', "r.jsonl")
    rows, rejects = read(path, skip_lines=1, comment="//")
    assert rows == [("a", "1")]
    assert reasons(rejects) == [(5, "line is not JSON: '{\"u\"'")]


def test_a_file_of_comments_alone_is_empty(write):
    with pytest.raises(SourceError, match="is empty"):
        read(write("# a\n# b\n"), comment="#")


@pytest.mark.usefixtures("blocks")
def test_a_header_that_comes_again_is_left_out_and_no_damage(write):
    path = write('u,i,r\na,1,2\nu,i,r\nu,i,3\n"b\nb",2,3\nu,i,r\nu,2,r\n')
    rows, rejects = read(path, {**UI, "rating": "r"})
    assert rows == [("a", "1"), ("u", "i"), ("b\nb", "2")]
    assert (rejects.by_reason, rejects.bad) == ({"the header again": 2, "rating is not a number": 1}, 1)
    assert [line for line, reason in reasons(rejects) if "header" in reason] == [3, 7]


@pytest.mark.usefixtures("blocks")
def test_separators_at_the_end_of_lines(write):
    assert read(write("u,i\na,1,\nb,2,\n"))[0] == [("a", "1"), ("b", "2")]
    assert read(write("u,i\na,1,,\nb,2, ,\n"))[0] == [("a", "1"), ("b", "2")]
    assert read(write("u,i,\na,1\nb,2\n"))[0] == [("a", "1"), ("b", "2")]
    rows, rejects = read(write("u,i\n" + "a,1,\n" * 9 + "b,2,x\nc,3\n"))
    assert rows == [("a", "1")] * 9 + [("b", "2")]
    assert reasons(rejects) == [(12, "number of fields is not 3: '2'")]


@pytest.mark.usefixtures("blocks")
def test_names_of_rows_as_r_writes_them(write):
    path = write('"u" "i"\n"1" "a" "x y"\n"2" "b" "z"\n', "r.txt")
    assert read(path, separator=" ")[0] == [("a", "x y"), ("b", "z")]
    assert read(path, {"user": "row", "item": "i"}, separator=" ")[0] == [("1", "x y"), ("2", "z")]


@pytest.mark.parametrize(
    ("header", "rows", "names"),
    [
        (["a", "b", "a", "a.1", "a"], [], ["a", "b", "a.2", "a.1", "a.3"]),
        (["a", "b"], [["1", "2"], ["3", "4", "5"]], ["a", "b"]),
        (["a", "b"], [["1", "2", ""], ["3", "4", " "]], ["a", "b", ""]),
        (["a", "b"], [[str(at), "2", "3"] for at in range(9)] + [["1", "2"]], ["row", "a", "b"]),
        # users that come again name no rows: a decimal comma, or a date with one, is damage
        (["user", "stars"], [[f"u{at % 4}", "3", "5"] for at in range(9)], ["user", "stars"]),
        # nor do ids, where the rest of a title stands behind a blank
        (["id", "title"], [[str(at), "Usual Suspects", " The"] for at in range(9)], ["id", "title"]),
        # nor where a price with a decimal comma, or with thousands, stands behind the name of an item
        (["item_id", "name", "price"], [[str(at), "Lamp", "3", "99"] for at in range(9)], ["item_id", "name", "price"]),
        (["EAN", "name", "price"], [[f"4{at}", "Lamp", "1", "299"] for at in range(9)], ["EAN", "name", "price"]),
        (["user_id", "i", "n"], [[str(at), f"u{at}", "3", "99"] for at in range(9)], ["row", "user_id", "i", "n"]),
        (["a", "b"], [[str(at), " 2", " 3"] for at in range(9)], ["row", "a", "b"]),
        (["row", "b"], [["1", "2", "3"]], ["row.0", "row", "b"]),
        # a title with a comma in most rows is damage, not a name of each row
        (["id", "title"], [["1", "Usual Suspects", " The"]] * 6 + [["2", "Heat"]] * 3, ["id", "title"]),
        (["a", "b"], [["1", "2", "3", "4"]], ["a", "b"]),
        (["a", "b"], [["1", "2", "3"], ["1", "2", ""]], ["a", "b"]),
        (["a", "", ""], [["1"]], ["a"]),
        (["a", "b"], [["1"]], ["a", "b"]),
    ],
)
def test_names_of_all_columns(header, rows, names):
    assert table_names(header, rows) == names


def test_a_name_that_is_there_twice(write):
    path = write("u,i,i\na,1,x\nu,i,i\n")
    assert read(path)[0] == [("a", "1")]
    assert read(path, {"user": "u", "item": "i.1"})[0] == [("a", "x")]


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize(("first", "last"), [(2, 3), (0, 5), (3, 7)])
def test_a_pair_of_stray_quotes_costs_one_line(write, separator, first, last):
    table = [[f"u{n}", f"lamp {n}", str(n % 5)] for n in range(9)]
    table[first][1], table[last][1] = f'"{table[first][1]}', f'{table[last][1]}"'
    path = write("".join(separator.join(row) + "\n" for row in [["u", "title", "i"], *table]))
    rows, rejects = read(path, separator=separator)
    assert rows == [(row[0], row[2]) for at, row in enumerate(table) if at != first]
    assert reasons(rejects) == [(first + 2, "stray quotes join rows")]


REVIEWS = [
    "Good, fast\nand cheap, too",
    "one, two\nthree, four\nfive, six",
    "so,so\nwell,well",
    "4,5\nof 5,0",
    "B001,7\nis no row",
    "a\n\nb, c",
]


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("every", [False, True])
def test_texts_of_several_lines_are_texts(write, separator, every):
    cells = [[f"B{n:03}", f"{n}", text.replace(",", separator)] for n, text in enumerate(REVIEWS * 3)]
    quoted = [[f'"{cell}"' if every or at == 2 else cell for at, cell in enumerate(row)] for row in cells]
    path = write("".join(separator.join(row) + "\n" for row in [["u", "n", "i"], *quoted]))
    rows, rejects = read(path, separator=separator)
    assert rows == [(row[0], row[2]) for row in cells]
    assert not rejects.by_reason


def joined(text, known):
    return RowShape(known, ",", 3).joins(text.split("\n"))


def test_what_looks_like_rows_is_judged_by_the_rows_that_are_known():
    known = [[f"B{n}", "a title", str(n)] for n in range(20)]
    assert joined('B1,"one,3\nB2,two",4', known)
    assert not joined('B1,"one,3\nbut,two",4', known)  # no digit in the first column
    assert not joined('B1,"one,3\nB2,two",four', known)
    assert not joined('B1,"one,3\n B2,two",4', known)  # a blank behind the separator
    assert not joined('"B1","one,3\nB2,two","4"', known)  # the last cell has quotes, and 3 has none
    assert not joined('B1,"one,3\nB2,two",4', known[:2])
    assert not joined('x,"one,y\nx,two",y', [["p", "q", "r"]] * 20)  # nothing tells
