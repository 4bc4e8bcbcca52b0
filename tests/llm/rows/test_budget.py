"""The ledger: what is spent and set aside never exceeds the budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.rows.budget import Ledger


def ledger(spent=(0, 0), prices=None, **budget):
    return Ledger(LLMConfig(budget=budget, prices=prices or {}), spent)


def test_a_request_waits_for_others_that_may_take_less_and_is_refused_when_none_could_help():
    book = ledger(max_tokens=100)
    assert book.reserve("a", (40, 40)) == "yes"
    assert book.reserve("b", (20, 20)) == "wait"
    book.settle("a", (40, 40), (30, 20))
    assert book.reserve("b", (20, 20)) == "yes"
    book.settle("b", (20, 20), (20, 20))
    assert book.reserve("a", (10, 10)) == "no"
    assert book.reserve("a", (5, 5)) == "yes"


def test_money_is_counted_by_the_prices_of_both_ways():
    book = ledger(prices={"input_per_million": 1e6, "output_per_million": 2e6}, max_cost=100)
    assert book.reserve("a", (50, 26)) == "no"
    assert book.reserve("a", (50, 25)) == "yes"


def test_what_was_spent_before_counts():
    assert ledger((90, 5), max_tokens=100).reserve("a", (4, 2)) == "no"
    assert ledger((90, 5), max_tokens=100).reserve("a", (4, 1)) == "yes"


def test_what_a_dead_process_had_set_aside_is_given_back():
    book = ledger(max_tokens=100)
    book.reserve("a", (50, 50))
    assert book.reserve("b", (1, 1)) == "wait"
    book.forget("a")
    assert book.reserve("b", (1, 1)) == "yes"


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.floats(0, 1)), max_size=40))
def test_the_budget_is_never_passed_by_requests_that_keep_their_word(requests):
    book = ledger(max_tokens=200)
    held = []
    for tokens_in, tokens_out, share in requests:
        if book.reserve("a", (tokens_in, tokens_out)) == "yes":
            held.append(((tokens_in, tokens_out), (tokens_in, int(share * tokens_out))))
        elif held:
            book.settle("a", *held.pop())
        assert sum(book.spent) + sum(map(sum, book.held.values())) <= 200
    for pair in held:
        book.settle("a", *pair)
    assert book.held.get("a", (0, 0)) == (0, 0)
    assert sum(book.spent) <= 200


def test_a_limit_in_money_needs_prices():
    with pytest.raises(ValidationError, match=r"llm\.prices\.input_per_million"):
        LLMConfig(budget={"max_cost": 1})
