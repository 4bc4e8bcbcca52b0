"""A stage is added to a copy of the package in five files: commands know it, and it runs."""

import filecmp
import importlib.util
import json
import os
import shutil
import subprocess
import sys

import pytest
from small_run import small_config, write_split

FUNCTION = '''
"""Counts each user's training interactions."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.tables import TABLES
from hnlm_ray.workspace import Rows


def count_activity(run: StageRun) -> Outcome:
    """Write table ``activity``."""
    rows = run.workspace.table("interactions").read(["user", "split"])
    users = rows.filter(pc.equal(rows["split"], "train")).group_by("user").aggregate([("user", "count")])
    table = pa.table([users["user"], users["user_count"]], schema=TABLES["activity"])
    run.output("activity").write_part(run.fingerprint, "part-0", table)
    return Outcome(Rows(ok=table.num_rows))
'''
DECLARATION = """
_ACTIVITY = Stage(
    name="activity",
    purpose="counts each user's training interactions",
    inputs=("interactions",),
    outputs=("activity",),
    depends_on=lambda config: {},
    run=later("hnlm_ray.prepare.activity:count_activity"),
    cost="hnlm_ray.plan.estimate.stage_costs:ACTIVITY",
)

DATA: Final = (_INGEST, _PREPARE, _ACTIVITY)
"""
SCHEMA = """
    "activity": pa.schema([_USER, pa.field("interactions", pa.int64(), nullable=False)]),
}

KEYS: Final[dict[str, tuple[str, ...]]] = {
    "activity": ("user",),
"""
COST = """
ACTIVITY: Final = StageCost(
    rows=lambda known: known.data.users,
    seconds=lambda remaining: 1e-6 * remaining.data.interactions,
    disk=lambda remaining: 12 * remaining.rows,
)
"""
JOB = '''
"""Stage activity as a Ray job (and before it what it needs); jobs/pipeline.py shows how to submit one."""

from hnlm_ray.cli.job import run_job

if __name__ == "__main__":
    run_job("activity")
'''

USE = """
import contextlib, io, json, sys
import pyarrow as pa
from hnlm_ray.cli import main
from hnlm_ray.config.loading import load_config
from hnlm_ray.pipeline.run import run_stages
from hnlm_ray.pipeline.status import find_stage, statuses
from hnlm_ray.base.progress import LineProgress
from hnlm_ray.workspace.tables import TABLES
from hnlm_ray.workspace import Manifest, Workspace

path = sys.argv[1]
config = load_config(path)
workspace = Workspace.open(config.workspace)
workspace.create()
pairs = [(user, item) for user in range(5) for item in range(user + 2)]
ROWS = {
    "interactions": [{"user": u, "item": i, "split": "test" if i == 0 else "train"} for u, i in pairs],
    "users": [{"user": user, "user_id": str(user)} for user in range(5)],
    "items": [{"item": item, "item_id": str(item), "title": f"Title {item}"} for item in range(6)],
}
for name in ("ingest", "prepare"):  # as if they had run
    status = next(one for one in statuses(config, workspace) if one.stage.name == name)
    for table in status.stage.outputs:
        store, rows = workspace.table(table), ROWS.get(table, [])
        file = store.write_part(status.fingerprint, "part-0", pa.Table.from_pylist(rows, schema=TABLES[table]))
        store.publish(Manifest(table=table, stage=name, fingerprint=status.fingerprint, files=(file,)))


def answer(*arguments):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main([*arguments, "--config", path, "--json"])
    return next(one for one in json.loads(out.getvalue())["stages"] if one["name"] == "activity")


found = {"before": answer("status")["state"], "plan": answer("plan", "--no-measure")}
stage, show = find_stage("activity"), LineProgress(None)
found["ran"] = [one.stage.name for one in run_stages(config, workspace, show, lambda stages: None, only=stage)]
found["rows"] = workspace.table("activity").read().to_pylist()
found["after"] = answer("status")["state"]
found["ray"] = "ray" in sys.modules and sys.modules["ray"].is_initialized()
print(json.dumps(found))
"""


@pytest.fixture
def copy(repository, tmp_path):
    """Copy the package and the scripts of its stages."""
    for folder in ("hnlm_ray", "jobs"):
        shutil.copytree(repository / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def in_copy(repository, folder, module):
    """Return where a module of the package lies in the copy."""
    origin = importlib.util.find_spec(module).origin
    return folder / os.path.relpath(origin, repository)


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new.lstrip("\n")), encoding="utf-8")


def add_stage(repository, folder):
    """Add stage `activity` in five files."""
    prepare = in_copy(repository, folder, "hnlm_ray.prepare").parent
    (prepare / "activity.py").write_text(FUNCTION.lstrip(), encoding="utf-8")
    (folder / "jobs" / "activity.py").write_text(JOB.lstrip(), encoding="utf-8")
    declared = in_copy(repository, folder, "hnlm_ray.pipeline.stages.data")
    replace(declared, "DATA: Final = (_INGEST, _PREPARE)\n", DECLARATION)
    tables = in_copy(repository, folder, "hnlm_ray.workspace.tables")
    replace(tables, "}\n\nKEYS: Final[dict[str, tuple[str, ...]]] = {\n", SCHEMA)
    costs = in_copy(repository, folder, "hnlm_ray.plan.estimate.stage_costs")
    costs.write_text(costs.read_text(encoding="utf-8") + COST, encoding="utf-8")


def edited(repository, folder):
    """Return the files of the copy that are not as in the repository."""
    files = (path.relative_to(folder) for path in folder.rglob("*.py"))
    return {
        str(path)
        for path in files
        if not (repository / path).exists() or not filecmp.cmp(repository / path, folder / path, shallow=False)
    }


def test_a_stage_is_added_in_five_files(repository, copy):
    add_stage(repository, copy)
    assert len(edited(repository, copy)) == 5
    changes = {"tune__methods": ["rns"], "stages": "needed"}
    config = small_config(write_split(copy / "data", test_seed=1), copy / "ws", **changes)
    preset = copy / "small.json"
    preset.write_text(json.dumps(config.model_dump(mode="json", exclude_unset=True)), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(copy), "HNLM_CACHE": str(copy / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", USE, str(preset)],
        cwd=copy, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["before"], found["ran"], found["after"]) == ("missing", ["activity"], "fresh")
    assert sorted((row["user"], row["interactions"]) for row in found["rows"]) == [(n, n + 1) for n in range(5)]
    plan = found["plan"]
    assert (plan["state"], plan["rows"], plan["basis"]) == ("missing", 5, "time: assumed, it is short")
    assert plan["disk_mib"] == pytest.approx(5 * 12 / 2**20, abs=0.001)
    assert found["ray"] is False
