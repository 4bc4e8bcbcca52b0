"""The encoding of some bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.discover.files.heads import encoding_of

WESTERN = "Käufer;Stück;café;niño;œuvre\n" * 20
JAPANESE = "ユーザー,商品名,評価\n太郎,時計と本棚,五つ星です\n" * 20
RUSSIAN = "пользователь,фильм,оценка\nИван,Солярис,хороший фильм\n" * 20  # noqa: RUF001


@given(st.text(min_size=1, max_size=400))
def test_every_text_in_utf_8_is_told_as_utf_8(text):
    plain = text.replace("\0", " ")
    assert encoding_of(plain.encode()) == "utf-8"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=50, max_size=400), st.integers(1, 3))
def test_a_character_cut_in_two_at_the_end_is_no_other_encoding(text, cut):
    assert encoding_of((text + "語").encode()[:-cut]) == "utf-8"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_wide_encodings_and_marks_are_known(encoding):
    data = "user,item\n1,2\n".encode(encoding)
    assert data.decode(encoding_of(data)).removeprefix("\ufeff") == "user,item\n1,2\n"


def test_western_bytes_are_latin_1_and_those_with_windows_quotes_cp1252():
    assert encoding_of(WESTERN.replace("œ", "oe").encode("latin-1")) == "latin-1"
    assert encoding_of("“Café” très bien\n".encode("cp1252") * 5) == "cp1252"
    assert encoding_of(b"caf\xe9 \x81 \x8d\n" * 5) == "latin-1"


@pytest.mark.parametrize(
    ("text", "encoding"), [(JAPANESE, "cp932"), (JAPANESE, "euc_jp"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8_r")]
)
def test_texts_of_other_scripts_read_as_what_they_were(text, encoding):
    data = text.encode(encoding)
    assert data.decode(encoding_of(data)) == text


def test_a_few_broken_bytes_leave_utf_8_what_it_is():
    assert encoding_of(("日本語の題名\n" * 30).encode() + b"\xff\n") == "utf-8"
