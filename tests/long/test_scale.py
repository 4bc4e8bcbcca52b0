"""Two million interactions and 25,000 LLM rows, a million in one file and in 64: linear, bounded, nothing lost."""

import importlib.util
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from killed_run import KilledRun

from hnlm_ray.workspace import Workspace

_SPEC = importlib.util.spec_from_file_location(
    "load_prepare", Path(__file__).parents[2] / "benchmarks" / "load_prepare.py"
)
load_prepare = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(load_prepare)
measured = load_prepare.measured

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


PARTS = """
name: parts
workspace: {root}/ws{parts}
source:
  format: table
  interactions:
    path: "{root}/parts{parts}/*.csv"
    columns: {{user: user, item: item, rating: rating, timestamp: time, review: [review]}}
prepare: {{user_core: 4, item_core: 4, buckets: 5}}
llm: {{engine: scripted}}
"""
PREPARED = ("interactions", "users", "items", "reviews")


def write_parts(root, parts, order_seed):
    """Write the same million lines, in another order and as so many files."""
    draw = np.random.default_rng(11)
    rows = 1_000_000
    users, items = draw.integers(0, 50_000, rows), np.minimum(draw.zipf(1.3, rows), 10_000)
    ratings, times = draw.integers(1, 6, rows), draw.integers(1_500_000_000, 1_500_050_000, rows)
    lines = np.array(
        [
            f"u{user},i{item},{rating if rating > 1 else ''},{time},{'' if user % 3 else f'said {rating} of {item}'}\n"
            for user, item, rating, time in zip(users, items, ratings, times, strict=True)
        ]
    )
    lines = lines[np.random.default_rng(order_seed).permutation(rows)]
    (root / f"parts{parts}").mkdir()
    for part, some in enumerate(np.array_split(lines, parts)):
        text = "user,item,rating,time,review\n" + "".join(some)
        (root / f"parts{parts}" / f"{part:02}.csv").write_text(text, encoding="utf-8")
    return rows


def content_of(root, parts):
    """Return the bytes of each file of each table."""
    tables = root / f"ws{parts}" / "tables"
    return {(n, file.name): file.read_bytes() for n in PREPARED for file in sorted((tables / n).glob("*/*.parquet"))}


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_million_interactions_give_the_same_bytes_from_one_file_and_from_64(tmp_path):
    for parts in (1, 64):
        rows = write_parts(tmp_path, parts, order_seed=parts)
        config = tmp_path / f"parts{parts}.yaml"
        config.write_text(PARTS.format(root=tmp_path, parts=parts))
        used = measured(
            [sys.executable, "-m", "hnlm_ray.cli", "stage", "prepare", "--config", str(config)], memory=True
        )
        print(
            f"{rows} interactions in {parts} files: {used['wall_s']:.1f} s ({rows / used['wall_s']:,.0f} rows/s), "
            f"{used['cpu_s']:.1f} CPU seconds, {used['peak_gib']:.2f} GiB at most"
        )
        assert used["peak_gib"] < 4
    one, many = content_of(tmp_path, 1), content_of(tmp_path, 64)
    assert {name for name, _ in one} == set(PREPARED)
    assert one == many
