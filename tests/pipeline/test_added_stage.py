"""A stage is added to a copy of the package in five files, as docs/extending.md says: commands know it, and it runs."""

import json

import pytest
from small_run import small_config, write_split

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


def test_a_stage_is_added_in_five_files(recipe):
    added = recipe("A stage").follow()
    assert len(added.blocks) == 5
    copy = added.folder
    changes = {"tune__methods": ["rns"], "stages": "needed"}
    config = small_config(write_split(copy / "data", test_seed=1), copy / "ws", **changes)
    preset = copy / "small.json"
    preset.write_text(json.dumps(config.model_dump(mode="json", exclude_unset=True)), encoding="utf-8")
    found = json.loads(added.python("-c", USE, preset).splitlines()[-1])
    assert (found["before"], found["ran"], found["after"]) == ("missing", ["activity"], "fresh")
    assert sorted((row["user"], row["interactions"]) for row in found["rows"]) == [(n, n + 1) for n in range(5)]
    plan = found["plan"]
    assert (plan["state"], plan["rows"], plan["basis"]) == ("missing", 5, "time: assumed, it is short")
    assert plan["disk_mib"] == pytest.approx(5 * 12 / 2**20, abs=0.001)
    assert found["ray"] is False
