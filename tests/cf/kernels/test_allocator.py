"""What a training asks of the C library's allocator."""

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from hnlm_ray.cf.kernels.devices import keep_freed_memory
kept = keep_freed_memory()
def step():
    for _ in range(3):
        torch.ones(2**24)  # 64 MiB: above every threshold that glibc chooses itself
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**environment):
    answer = subprocess.run(
        [sys.executable, "-c", FAULTS], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    kept, count = answer.stdout.split()
    return kept == "True", int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps its own rules")
def test_a_second_step_faults_no_page_in_again():
    kept, again = faults()
    left_alone, fresh = faults(MALLOC_TRIM_THRESHOLD_="131072")
    assert (kept, left_alone) == (True, False)
    assert again * 10 < fresh
