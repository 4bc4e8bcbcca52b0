"""Twelve runs in a row in one workspace, the engine failing now and then: nothing piles up."""

import glob
import os
import tempfile

import pytest
from killed_run import KilledRun
from small_run import small_config, write_split

from hnlm_ray.workspace import Workspace

ROUNDS = 12


def disk_bytes(folder):
    return sum(os.path.getsize(os.path.join(parent, name)) for parent, _, names in os.walk(folder) for name in names)


def scratch_folders():
    return glob.glob(os.path.join(tempfile.gettempdir(), "hnlm-tune-*"))


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_repeated_runs_leave_one_copy_of_everything_and_no_process(tmp_path):
    source, workspace, sizes = write_split(tmp_path / "source", test_seed=1), tmp_path / "ws", []
    scripted = {"bad_json": 0.1, "none": 0.05, "engine_error": 0.05}
    preset, before = tmp_path / "small.yaml", set(scratch_folders())
    for seed in range(ROUNDS):
        config = small_config(source, workspace, seed=seed, llm__scripted=scripted)
        preset.write_text(config.model_dump_json())
        run = KilledRun("run", "--config", preset)
        run.finish(timeout=400)
        assert run.wait_until_gone() == []
        sizes.append(disk_bytes(workspace / "tables"))
        profiles = Workspace.open(str(workspace)).table("user_profiles").manifest()
        assert profiles.rows.ok + profiles.rows.none + profiles.rows.failed == 40
    print(f"{ROUNDS} runs, tables of {sizes[0] / 2**20:.2f} MiB at first and {sizes[-1] / 2**20:.2f} MiB at last")
    assert max(sizes) < 1.2 * min(sizes)
    assert set(scratch_folders()) <= before
