"""The pace of requests, on a clock that the test moves."""

import asyncio

import pytest
from fake_time import FakeTime
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlm_ray.llm.engines.http.rate_limits import RateLimiter, backoff, retry_after


def starts(pace, fake, amounts):
    """Let requests of these tokens go through a pace, all at once; return when each went."""
    went = []

    async def one(tokens):
        await pace.turn(tokens)
        went.append((fake.time, tokens))

    async def everyone():
        await asyncio.gather(*map(one, amounts))

    asyncio.run(fake.run(everyone()))
    return went


def requests_of_minutes(went):
    return [sum(first <= at < first + 59.999 for at, _ in went) for first, _ in went]


def test_no_minute_has_more_requests_than_allowed_and_none_is_wasted():
    fake = FakeTime()
    went = starts(RateLimiter(30, None, fake.clock), fake, [10] * 90)
    assert max(requests_of_minutes(went)) == 30
    assert went[-1][0] - went[0][0] == pytest.approx(89 * 2)


@settings(max_examples=20)
@given(st.lists(st.integers(1, 300), min_size=2, max_size=15))
def test_no_minute_has_more_tokens_than_allowed_but_for_one_request(amounts):
    fake = FakeTime()
    went = starts(RateLimiter(8, 600, fake.clock), fake, amounts)
    for first, _ in went:
        inside = [tokens for at, tokens in went if first <= at < first + 59.999]
        assert len(inside) <= 8
        assert sum(inside[:-1]) <= 600


def test_what_was_not_used_of_an_estimate_is_given_back():
    fake = FakeTime()
    pace = RateLimiter(None, 60, fake.clock)
    starts(pace, fake, [60])
    pace.count(-50)
    (second,) = starts(pace, fake, [1])
    assert second[0] == pytest.approx(1010)


def test_a_pause_holds_all_that_wait_and_keeps_their_spacing():
    fake = FakeTime()
    pace = RateLimiter(60, None, fake.clock)
    pace.pause(30)
    went = starts(pace, fake, [1] * 5)
    assert [at for at, _ in went] == pytest.approx([1030, 1031, 1032, 1033, 1034])


def test_a_pause_that_begins_while_others_wait_holds_them_too():
    fake = FakeTime()
    pace, went = RateLimiter(60, None, fake.clock), []

    async def one(number):
        await pace.turn(1)
        went.append(fake.time)
        if number == 1:
            pace.pause(100)

    async def everyone():
        await asyncio.gather(*map(one, range(4)))

    asyncio.run(fake.run(everyone()))
    assert went[:2] == pytest.approx([1000, 1001])
    assert min(went[2:]) >= 1101


def test_backoff_doubles_to_its_limit_and_has_full_jitter():
    assert [backoff(failures, 10, lambda: 1.0) for failures in range(6)] == [1, 2, 4, 8, 10, 10]
    assert backoff(10**6, 60, lambda: 0.0) == 0
    assert len({backoff(3, 60) for _ in range(20)}) > 10


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7),
        (" 0 ", 0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 60),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("1e999", None),
        ("9" * 400, None),
        ("٣", None),
        ("Thu, 99 Foo 99999 00:00:00 GMT", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_both_forms_or_not_at_all(header, seconds):
    assert retry_after(header, 40.0) == seconds
