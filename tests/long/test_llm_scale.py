"""A hundred thousand rows through the frame of an LLM stage, as quickly as few, and with no more memory."""

import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("llm_frame", Path(__file__).parents[2] / "benchmarks" / "llm_frame.py")
llm_frame = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(llm_frame)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_two_cores_can_take_2000_rows_a_second_and_the_driver_does_not_grow():
    few, many = (llm_frame.measured(rows, batch_rows=32, engines=1) for rows in (10_000, 100_000))
    print(llm_frame.markdown([few, many]))
    assert many["driver_mib"] <= llm_frame.TARGET_GROWTH * few["driver_mib"]
    assert many["cpu_s_per_1000"] <= llm_frame.TARGET_CPU_S  # not wall time: others may be at work on this machine
