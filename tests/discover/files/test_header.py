import pytest

from hnlm_ray.discover.files.dialect import header_of


@pytest.mark.parametrize(
    "rows",
    [
        [["user", "item"], ["1", "2"], ["3", "4"]],
        [["Kunde", "Artikel", "Sterne"], ["K1", "Käse", "4"], ["K2", "Brot", "5"]],
        [["ユーザーID", "商品名"], ["花子", "時計"], ["太郎", "本"]],
        [["a", "b"], ["1", "x"], ["2", "y"]],
    ],
)
def test_names_above_values_are_a_header(rows):
    assert header_of(rows).there
    assert header_of(rows).sure


@pytest.mark.parametrize(
    "rows",
    [
        [["1", "Toy Story"], ["2", "Heat"]],
        [["ann", "heat"], ["bob", "heat"], ["ann", "alien"]],
        [["x", "x"], ["a", "b"]],
        [["a long sentence that nobody would take for the name of a column of a table", "b"], ["c", "d"]],
    ],
)
def test_values_above_values_are_no_header(rows):
    assert not header_of(rows).there


def test_words_alone_leave_it_open():
    assert not header_of([["ann", "heat"], ["bob", "alien"], ["eve", "brazil"]]).sure
