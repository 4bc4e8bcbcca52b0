import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from hnlm_ray.base.errors import InputError
from hnlm_ray.finetune.query import (
    ITEM_VECTOR,
    USER_VECTOR,
    QueryEncoder,
    QueryForm,
    QueryText,
    check_query,
    load_query,
)
from hnlm_ray.llm.models import fetch_tiny
from hnlm_ray.llm.text.prompts import TextFolder

QUERY = QueryText("test:1", "U{user_vector}: {user}; I{item_vector}: {item}; answer:")


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(fetch_tiny())


def text(tokenizer, query):
    return tokenizer.decode([one for one in query.ids if one >= 0])


def test_every_shipped_query_holds_each_slot_once_and_ends_in_text_of_its_own():
    shipped = TextFolder("hnlm_ray.finetune", "queries", "query").names()
    assert "hard_negative_query.v1" in shipped
    assert all(load_query(name).version.startswith(f"{name}:") for name in shipped)


@pytest.mark.parametrize("text", ["{user} {item} end", "{user}{user}{item}{user_vector}{item_vector} x", "{x}"])
def test_a_query_without_its_slots_is_refused(text):
    with pytest.raises(InputError, match=r"needs each of .*\{user_vector\}"):
        check_query(QueryText("mine:1", text))


def test_a_query_that_ends_in_a_users_words_is_refused_as_its_last_token_is_pooled():
    with pytest.raises(InputError, match="last token"):
        check_query(QueryText("mine:1", "{user_vector}{item_vector}{user} {item}"))


def test_an_unknown_query_is_an_error_that_lists_those_there_are(tmp_path):
    with pytest.raises(InputError, match=r"hard_negative_query\.v1"):
        load_query("none")
    with pytest.raises(InputError, match="can't be read"):
        load_query(str(tmp_path / "no.txt"))


def test_a_query_is_the_fixed_text_with_soft_tokens_and_both_texts_in_their_places(tokenizer):
    query = QueryEncoder(tokenizer, QUERY, QueryForm(3, 200)).encode("likes war", "Alien: in space")
    assert text(tokenizer, query) == "U: likes war; I: Alien: in space; answer:"
    assert query.ids.count(USER_VECTOR) == query.ids.count(ITEM_VECTOR) == 3
    assert query.cut == 0
    assert query.ids.index(USER_VECTOR) < query.ids.index(ITEM_VECTOR)


@given(st.text(max_size=300), st.text(max_size=300), st.integers(40, 120))
def test_whatever_the_texts_are_the_limit_holds_and_the_fixed_text_is_never_cut(user, item, limit):
    tokenizer = AutoTokenizer.from_pretrained(fetch_tiny())
    encoder = QueryEncoder(tokenizer, QUERY, QueryForm(2, limit))
    query, empty = encoder.encode(user, item), encoder.encode("", "")
    assert len(query.ids) <= limit
    assert query.ids[-len("; answer:") :] == empty.ids[-len("; answer:") :]
    assert query.ids.count(USER_VECTOR) == query.ids.count(ITEM_VECTOR) == 2
    whole = sum(len(tokenizer.encode(text, add_special_tokens=False)) for text in (user, item))
    assert len(query.ids) == len(empty.ids) + whole - query.cut


def test_the_longer_text_is_cut_first(tokenizer):
    query = QueryEncoder(tokenizer, QUERY, QueryForm(1, 40)).encode("u" * 5, "i" * 200)
    assert "u" * 5 in text(tokenizer, query)
    assert query.cut > 150


def test_control_tokens_in_a_text_are_plain_text(tokenizer):
    query = QueryEncoder(tokenizer, QUERY, QueryForm(1, 100)).encode("<pad> end", "x")
    assert tokenizer.pad_token_id not in query.ids


def test_printed_vectors_are_the_numbers_and_too_little_room_is_an_error(tokenizer):
    encoder = QueryEncoder(tokenizer, QUERY, QueryForm(0, 120))
    query = encoder.encode("a", "b", [0.123, -2.0], [1.5, 0.0])
    assert text(tokenizer, query) == "U 0.12 -2.00: a; I 1.50 0.00: b; answer:"
    with pytest.raises(InputError, match=r"finetune\.max_tokens 120"):
        encoder.encode("a", "b", [0.5] * 64, [0.5] * 64)
    with pytest.raises(InputError, match=r"finetune\.max_tokens 20"):
        QueryEncoder(tokenizer, QUERY, QueryForm(1, 20))
