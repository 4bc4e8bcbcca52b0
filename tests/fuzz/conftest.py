"""Ten times as many cases, drawn anew, in a long run; the total is asserted last and printed."""

from pathlib import Path

import bounds
import pytest

HERE = Path(__file__).parent


def _is_long(config):
    marks = config.option.markexpr or ""
    return "long" in marks and "not long" not in marks


def pytest_configure(config):
    bounds.TALLY.scale = 10 if _is_long(config) else 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Let a long run have these tests as well, and the one of their total at the end."""
    own = [item for item in items if item.path.is_relative_to(HERE)]
    if _is_long(config):
        for item in own:
            item.add_marker("long")
            item.add_marker(pytest.mark.timeout(3600))
    last = [item for item in own if item.path.name == "test_total.py"]
    items[:] = [item for item in items if item not in last] + last


def pytest_terminal_summary(terminalreporter, config):
    tally = bounds.TALLY
    if not tally.cases:
        return
    drawn = f"drawn with HNLM_FUZZ_SEED={bounds.SEED}" if _is_long(config) else "always the same"
    (seconds, slow), (mib, large) = tally.slowest, tally.largest
    terminalreporter.write_line(
        f"hostile input: {tally.cases.total():,} cases, {drawn}; slowest {seconds:.2f} s ({slow}), "
        f"largest {mib:.0f} MiB ({large})"
    )
