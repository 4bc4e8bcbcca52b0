"""Whatever dies, each row of a chunk ends with one outcome, and poison alone is blamed."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlm_ray.llm.rows.journal import Journal, Mark
from hnlm_ray.workspace import ChunkedTable, Workspace
from hnlm_ray.workspace.tables import TABLES

FINGERPRINT = "c" * 64


@pytest.fixture
def journal(tmp_path):
    return open_journal(tmp_path)


def open_journal(folder):
    return Journal(ChunkedTable(Workspace.open(str(folder)).table("users"), FINGERPRINT, "f" * 64), 0)


def keys(count):
    return [(number,) for number in range(count)]


def write(journal, piece, asked):
    rows = [{"user": key[0], "user_id": "poison" if piece.poison else "ok"} for key in asked]
    journal.table.write(piece.name, pa.Table.from_pylist(rows, TABLES["users"]))
    journal.end(piece)


def work(journal, asked, dies):
    """Do a chunk as a worker does; ``dies(rows, alone)`` tells whether this run of rows kills."""
    runs = 0
    while (piece := journal.next_piece(asked)) is not None:
        runs += 1
        own = asked[piece.rows.start : piece.rows.stop]
        if not piece.poison:
            journal.begin(piece)
            if dies(own, piece.alone):
                continue
        write(journal, piece, own)
    rows = journal.table.sorted_rows().to_pylist()
    return {row["user"]: row["user_id"] for row in rows}, runs, len(rows)


def test_a_chunk_that_nobody_asked_is_asked_together_with_others_and_once(journal):
    found, runs, rows = work(journal, keys(8), lambda *_: False)
    assert (runs, rows, set(found.values())) == (1, 8, {"ok"})


def test_a_chunk_whose_engine_died_is_asked_alone_before_it_is_cut(journal):
    deaths = iter([True, False])
    found, runs, _ = work(journal, keys(8), lambda *_: next(deaths))
    assert (runs, set(found.values())) == (2, {"ok"})


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 33), data=st.data())
def test_poison_is_found_with_five_deaths_and_the_others_are_answered(tmp_path_factory, size, data):
    poison = data.draw(st.sets(st.integers(0, size - 1), max_size=4))
    journal, deaths = open_journal(tmp_path_factory.mktemp("w")), []

    def dies(own, alone):
        deaths.extend([alone] * any(key[0] in poison for key in own))
        return any(key[0] in poison for key in own)

    found, runs, rows = work(journal, keys(size), dies)
    assert rows == size
    assert {number for number, told in found.items() if told == "poison"} == poison
    assert len(deaths) <= 5 * len(poison)
    assert all(deaths[1:])  # all but the first with nobody beside them
    assert runs <= len(deaths) + 1 + len(poison) * (2 * size**0.5 + 3)


@settings(max_examples=60, deadline=None)
@given(size=st.integers(2, 33), kills=st.sets(st.integers(0, 4), max_size=3))
def test_kills_from_outside_convict_nobody_unless_a_row_dies_alone_twice(tmp_path_factory, size, kills):
    journal = open_journal(tmp_path_factory.mktemp("w"))
    count = iter(range(1000))
    found, _, rows = work(journal, keys(size), lambda *_: next(count) in kills)
    assert rows == size
    assert set(found.values()) == {"ok"}


def test_no_mark_is_left_of_what_is_written(journal, tmp_path):
    work(journal, keys(8), lambda own, _: (3,) in own)
    left = [path for path in tmp_path.rglob("*.asked.json") if '"lone_runs":0' in path.read_text()]
    assert len(left) <= 1  # of the whole chunk, whose halves are parts of their own


def test_a_mark_that_was_cut_off_is_a_mark(journal):
    piece = journal.next_piece(keys(4))
    journal.begin(piece)
    path = f"{journal.table.store.parts_folder(FINGERPRINT)}/{piece.name}.asked.json"
    with journal.table.store.filesystem.open_output_stream(path) as stream:
        stream.write(b'{"lone')
    assert journal.next_piece(keys(4)).alone
    assert Mark().lone_runs == 0
