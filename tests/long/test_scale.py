"""Two million interactions and 25,000 LLM rows on one machine: linear, bounded, nothing lost."""

import resource
import time

import numpy as np
import pytest
from killed_run import KilledRun

from hnlm_ray.workspace import Workspace

USERS, ITEMS, ROWS = 20_000, 5_000, 2_000_000
CONFIG = """
name: scale
workspace: {root}/ws
source:
  format: table
  interactions: {{path: {root}/events.csv, columns: {{user: user, item: item, timestamp: time}}}}
  items: {{path: {root}/items.csv, columns: {{item: item, title: title}}}}
prepare: {{user_core: 5, item_core: 5, buckets: 16, split: {{method: leave_last_out}}}}
llm: {{engine: scripted, encoder: trigrams, batch_rows: 256}}
"""


def write_events(root):
    draw = np.random.default_rng(5)
    users = draw.integers(0, USERS, ROWS)
    items = np.minimum((draw.pareto(1.2, ROWS) * 40).astype(np.int64), ITEMS - 1)
    times = draw.integers(1_500_000_000, 1_600_000_000, ROWS)
    with open(root / "events.csv", "w") as file:
        file.write("user,item,time\n")
        file.writelines(f"u{user},i{item},{time}\n" for user, item, time in zip(users, items, times, strict=True))
    with open(root / "items.csv", "w") as file:
        file.write("item,title\n")
        file.writelines(f"i{item},The {item}th Title\n" for item in range(ITEMS))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_two_million_interactions_reach_profiles(tmp_path):
    write_events(tmp_path)
    config = tmp_path / "scale.yaml"
    config.write_text(CONFIG.format(root=tmp_path))
    started = time.monotonic()
    KilledRun("stage", "user_profiles", "--config", config).finish(timeout=1500)
    seconds = time.monotonic() - started
    workspace = Workspace.open(str(tmp_path / "ws"))
    prepared, profiles = (workspace.table(name).manifest() for name in ("interactions", "user_profiles"))
    assert prepared.counts["users"] == profiles.rows.ok + profiles.rows.none + profiles.rows.failed
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"{ROWS} events in {seconds:.0f} s: prepare {prepared.seconds:.0f} s, user profiles {profiles.seconds:.0f} s")
    print(f"largest process {peak:.1f} GiB")
    assert peak < 4
