"""The real vLLM under Ray: killed in the middle of its work, then finished by the same command."""

import os
import time

import pytest
from killed_run import KilledRun

from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.tables import KEYS

CONFIG = os.path.join(os.path.dirname(__file__), "../../configs/demo.yaml")
SMALL = ("prepare.max_users=25", "prepare.user_core=5", "prepare.item_core=5", "llm.batch_rows=4", "llm.max_num_seqs=8")


def chunks(workspace):
    folder = workspace / "tables" / "item_profiles"
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/b*.parquet")}


@pytest.mark.real
@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_killed_llm_stage_leaves_no_process_and_goes_on_where_it_was(tmp_path):
    workspace = tmp_path / "ws"
    sets = [part for value in SMALL for part in ("--set", value)]
    run = KilledRun("stage", "item_profiles", "--config", CONFIG, "--workspace", workspace, *sets)
    process = run.start()
    deadline = time.monotonic() + 480
    while len(chunks(workspace)) < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
    assert process.poll() is None, process.stdout.read()
    assert run.alive()
    run.kill(process)
    assert run.wait_until_gone() == []
    before = chunks(workspace)
    assert len(before) >= 2

    output = run.finish(timeout=600)
    assert "rows are done" in output
    assert run.wait_until_gone() == []
    rows = Workspace.open(str(workspace)).table("item_profiles").read().to_pylist()
    items = Workspace.open(str(workspace)).table("items").read().num_rows
    keys = [tuple(row[key] for key in KEYS["item_profiles"]) for row in rows]
    assert len(keys) == len(set(keys)) == items
    assert sum(row["status"] == "ok" for row in rows) >= 0.9 * items
    assert len({row["summary"] for row in rows}) >= 0.8 * items
