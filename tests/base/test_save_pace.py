"""A state is written at most every five seconds and in at most a twentieth of the time."""

import pytest

from hnlm_ray.base import progress as save_pace
from hnlm_ray.base.progress import SavePace


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(save_pace.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(("took", "due_after"), [(0.0, 5.0), (0.2, 5.0), (0.25, 5.0), (1.0, 20.0), (9.0, 180.0)])
def test_the_next_state_waits_for_as_long_as_the_last_one_took_and_for_five_seconds(clock, took, due_after):
    pace = SavePace()
    with pace.saving():
        clock[0] += took
    written = clock[0]
    clock[0] = written + due_after - 0.01
    assert not pace.due
    clock[0] = written + due_after
    assert pace.due


def test_the_first_state_waits_too_and_one_that_failed_counts_for_nothing(clock):
    pace = SavePace()
    assert not pace.due
    clock[0] += 6
    assert pace.due
    with pytest.raises(OSError, match="full"), pace.saving():
        raise OSError("full")
    assert pace.due
