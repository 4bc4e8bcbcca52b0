"""200,000 users by 100,000 items: the memory of a worker does not grow with the users."""

import subprocess
import sys
from pathlib import Path

import pytest

USERS = 200_000


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_memory_does_not_grow_with_the_users(tmp_path):
    command = [sys.executable, str(Path(__file__).with_name("scaled_lists.py")), str(USERS), str(tmp_path)]
    done = subprocess.run(command, check=True, text=True, capture_output=True, timeout=2900)
    lines = [list(map(float, line.split())) for line in done.stdout.splitlines()]
    print(f"users, users/s, users per second of CPU, GiB before, GiB at the peak\n{done.stdout}")
    assert lines[-1][0] == USERS
    assert lines[-1][4] < lines[0][4] + 0.1
    assert lines[-1][4] < 1
