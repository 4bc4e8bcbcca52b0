"""Runs last: so many cases there were."""

from pathlib import Path

import pytest
from bounds import TALLY

HERE = Path(__file__).parent
LEAST = 10_000


def test_ten_thousand_cases_kept_their_bounds_and_in_a_long_run_a_hundred_thousand(request):
    asked = {item.path for item in request.session.items if item.path.parent == HERE}
    if asked != set(HERE.glob("test_*.py")):
        pytest.skip("a part of the tests of hostile input was asked for")
    assert TALLY.cases.total() >= LEAST * TALLY.scale
