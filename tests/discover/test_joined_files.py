"""Several files of one table: parts, splits, kinds of interactions, and what differs from file to file."""

import gzip

import pytest
from layouts import START, lines_of, rated, read, write

from hnlm_ray.base.errors import InputError

ROWS = [(*row, START + at * 3600) for at, row in enumerate(rated())]
HEADER = "user_id,item_id,rating,timestamp"
COUNT = len(ROWS)


def put(folder, names, header=HEADER):
    """Deal the rows to the files, the first gets most."""
    for at, name in enumerate(names):
        share = [row for n, row in enumerate(ROWS) if max(0, n % (len(names) + 3) - 3) == at]
        write(folder / name, lines_of(share, header))


@pytest.mark.parametrize("names", [
    ["y=2019/m=1/part-0.csv", "y=2019/m=2/part-0.csv", "y=2020/m=1/part-0.csv"],
    ["s[1]/p-1.csv", "s[1]/p-2.csv"],
    ["a/x-1.csv", "a/b/x-2.csv"],
    ["part-00000-9b2d6f0e-aaaa-4bcd-8dead-0123456789ab.csv", "part-00001-cafe6f0e-beef-4bcd-9fade-0123456789ab.csv"],
])  # fmt: skip
def test_parts_are_read_together_wherever_they_lie(tmp_path, monkeypatch, names):
    put(tmp_path, names)
    monkeypatch.chdir(tmp_path)
    got = read(".")
    assert (len(got.pairs), got.found.warnings) == (COUNT, [])
    assert len(read(f".//{names[0]}", *names[1:]).pairs) == COUNT


def test_paths_from_the_root_and_from_here_have_one_glob(tmp_path, monkeypatch):
    put(tmp_path, ["sub/p1.csv", "sub/p2.csv"])
    monkeypatch.chdir(tmp_path)
    assert len(read("sub/p1.csv", tmp_path / "sub/p2.csv").pairs) == COUNT


def test_a_packed_part_is_read_beside_a_plain_one(tmp_path):
    put(tmp_path, ["p1.csv", "p2.csv"])
    (tmp_path / "p2.csv.gz").write_bytes(gzip.compress((tmp_path / "p2.csv").read_bytes()))
    (tmp_path / "p2.csv").unlink()
    got = read(tmp_path)
    assert (len(got.pairs), got.found.source["interactions"]["compression"]) == (COUNT, "auto")


def test_columns_in_another_order_are_found_by_their_names(tmp_path):
    put(tmp_path, ["p1.csv", "p2.csv"])
    rows = [line.split(",") for line in (tmp_path / "p2.csv").read_text().splitlines()]
    write(tmp_path / "p2.csv", [",".join([item, user, *rest]) for user, item, *rest in rows])
    assert sorted(read(tmp_path).pairs) == sorted(row[:2] for row in ROWS)


def test_a_part_without_names_is_left_out_with_a_warning(tmp_path):
    put(tmp_path, ["p1.csv", "p2.csv"])
    text = (tmp_path / "p2.csv").read_text()
    (tmp_path / "p2.csv").write_text(text.split("\n", 1)[1])
    (told,) = read(tmp_path).found.warnings
    assert "p2.csv" in told
    assert "line of names" in told
    assert "%" in told


def test_parts_that_no_pattern_names_alone_are_warned_about(tmp_path):
    put(tmp_path, ["p1.csv", "p2.csv", "p3.csv"])
    got = read(tmp_path / "p1.csv", tmp_path / "p2.csv")
    (told,) = got.found.warnings
    assert "p2.csv has the same columns as" in told
    assert 0 < len(got.pairs) < COUNT


@pytest.mark.parametrize(("names", "path", "test"), [
    (["ua.base", "ua.test"], "ua.base", "ua.test"),
    (["train/data.csv", "test/data.csv"], "train/data.csv", "test/data.csv"),
    (["train/p0.csv", "test/p0.csv", "train/p1.csv"], "train/p*.csv", "test/p0.csv"),
    (["ratings.csv", "ratings_test.csv"], "ratings.csv", "ratings_test.csv"),
    (["apprentissage.csv", "essai.csv"], "apprentissage.csv", "essai.csv"),
    (["Trainingsdaten.csv", "Testdaten.csv"], "Trainingsdaten.csv", "Testdaten.csv"),
    (["entrenamiento.csv", "prueba.csv"], "entrenamiento.csv", "prueba.csv"),
    (["Lern-Daten.csv", "Test-Daten.csv"], "Lern-Daten.csv", "Test-Daten.csv"),
    (["train_1.csv", "test.csv", "train_2.csv"], "train_*.csv", "test.csv"),
])  # fmt: skip
def test_a_split_is_told_by_files_and_folders(tmp_path, monkeypatch, names, path, test):
    put(tmp_path, names)
    monkeypatch.chdir(tmp_path)
    got = read(".")
    assert got.found.given
    assert "split" in got.said
    tree = got.found.source["interactions"]
    assert (tree["path"].removeprefix("./"), tree["test_path"].removeprefix("./")) == (path, test)
    assert len(got.pairs) == COUNT


def test_base_without_a_test_is_no_split_nor_is_a_folder_of_tests(tmp_path):
    put(tmp_path / "test_of_it", ["base_1.csv", "base_2.csv"])
    got = read(tmp_path / "test_of_it")
    assert (got.found.given, len(got.pairs)) == (False, COUNT)


def test_a_test_file_without_ratings_is_left_out_and_told(tmp_path):
    write(tmp_path / "train.csv", lines_of(ROWS, HEADER))
    write(tmp_path / "test.csv", lines_of([row[:2] for row in ROWS[:20]], "user_id,item_id"))
    (told,) = read(tmp_path).found.warnings
    assert "test.csv is left out" in told
    assert "lacks the columns rating" in told


@pytest.mark.parametrize(("names", "read_first"), [
    (["likes.csv", "dislikes.csv"], "likes.csv"), (["dislikes.csv", "likes.csv"], "likes.csv"),
    (["neg.csv", "pos.csv"], "pos.csv"), (["clicks.csv", "buys.csv"], "*s.csv"),
])  # fmt: skip
def test_files_of_other_kinds_are_asked_about(tmp_path, names, read_first):
    put(tmp_path, names)
    got = read(tmp_path)
    assert "which of them count" in got.said
    assert got.found.source["interactions"]["path"] == str(tmp_path / read_first)
    alone = read(tmp_path, interactions=names[1])
    assert "count" not in alone.said
    assert alone.found.source["interactions"]["path"] == str(tmp_path / names[1])


@pytest.mark.parametrize("names", [["ratings_2019.csv", "ratings_2020.csv"], ["r-jan.csv", "r-feb.csv"],
                                   ["xaa", "xab"], ["log (1).csv", "log.csv"], ["Teil1.csv", "Teil2.csv"]])  # fmt: skip
def test_years_months_and_numbers_are_parts(tmp_path, names):
    put(tmp_path, names)
    got = read(tmp_path)
    assert (len(got.pairs), got.said) == (COUNT, "")


def test_ratings_of_another_scale_in_a_further_file_are_told(tmp_path):
    put(tmp_path, ["train.csv"])
    write(tmp_path / "test.csv", lines_of([(*row[:2], 99, row[3]) for row in ROWS[:7]] + ROWS[7:30], HEADER))
    (told,) = [one for one in read(tmp_path).found.warnings if "scale" in one]
    assert told.startswith(str(tmp_path / "test.csv"))
    assert "7 of 30 ratings" in told
    assert "99" in told


def test_kinds_of_events_of_a_further_file_are_told(tmp_path):
    kinds = {0: ["view", "purchase"], 1: ["view", "order"]}
    for part in (0, 1):
        rows = [(*row[:2], kinds[part][at % 2]) for at, row in enumerate(ROWS[: COUNT - 30 * part])]
        write(tmp_path / f"p{part}.csv", lines_of(rows, "user_id,item_id,event"))
    (told,) = [one for one in read(tmp_path).found.warnings if "has kinds of events that" in one]
    assert "order (" in told or "purchase (" in told


def test_files_with_times_of_two_formats_are_refused_by_name(tmp_path):
    write(
        tmp_path / "p1.csv", lines_of([(*row[:3], f"2020-01-{at % 28 + 1:02}") for at, row in enumerate(ROWS)], HEADER)
    )
    write(tmp_path / "p2.csv", lines_of([(*row[:3], f"{at % 28 + 1:02}.01.2020") for at, row in enumerate(ROWS[9:])],
                                        HEADER))  # fmt: skip
    with pytest.raises(InputError, match=r"p\d.csv writes its times in another way than .*p\d.csv.*%d.%m.%Y"):
        read(tmp_path)


@pytest.mark.parametrize(("change", "header"), [
    (lambda row: (row[0], row[1], f"{row[2]},5", "2020-01-01"), HEADER),
    (lambda row: (row[0], row[1], row[2], "Aug 13, 2015"), HEADER),
    (lambda row: (row[0], "Paris, France", row[1], row[2]), "user_id,city,item_id,rating"),
])  # fmt: skip
def test_separators_that_stand_unquoted_in_cells_are_told(tmp_path, change, header):
    with pytest.raises(InputError, match=r"5 fields in .* rows, but 4 in its first line.*quotes"):
        read(write(tmp_path / "x.csv", lines_of([change(row) for row in ROWS], header)))


def test_an_items_file_with_unquoted_commas_is_no_table_of_row_names(tmp_path):
    write(tmp_path / "r.csv", lines_of(ROWS, HEADER))
    write(tmp_path / "items.csv", ["item_id,title,year", *(f"i{at},Film {at}, The,1990" for at in range(40))])
    got = read(tmp_path)
    assert "items" not in got.found.source
    assert any("4 fields in" in use.why for use in got.found.uses)


def test_a_page_and_a_matrix_are_named_as_such(tmp_path):
    page = write(tmp_path / "x.csv", ["<!DOCTYPE html>", "<html><body>Not found</body></html>"])
    with pytest.raises(InputError, match="is a HTML page"):
        read(page)
    lines = [f"u{user}," + ",".join(str((user * 7 + item * 3) % 6 or "") for item in range(20)) for user in range(40)]
    wide = write(tmp_path / "wide.csv", ["user," + ",".join(f"film{item}" for item in range(20)), *lines])
    with pytest.raises(InputError, match="matrix of ratings"):
        read(wide)
