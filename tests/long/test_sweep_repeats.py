"""The same seed and configuration in two workspaces, one training at a time: the same trials, winners and files."""

import csv
import json

import pytest
from killed_run import KilledRun
from small_run import write_split

from hnlm_ray.workspace import Workspace

TIMES = {"seconds", "cpu_seconds", "started_epoch"}
CONFIG = """
name: repeats
workspace: {folder}/unset
stages: needed
source: {{format: ngcf, path: {folder}/data}}
prepare: {{user_core: 1, item_core: 1, split: {{method: given, validation: 0.2}}}}
ray: {{cpus: 4}}
cf: {{dim: 8, epochs: 12, patience: 12, batch_size: 64}}
tune:
  {{models: [mf], methods: [rns, dns, softmax], trials: 6, concurrent: 1, seeds: 2,
   search: {search}, startup_trials: 2, stopping: {stopping}, grace_epochs: 2}}
"""

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(1500)]


def rows_of(workspace, table):
    rows = workspace.table(table).read().to_pylist()
    return [
        {name: value for name, value in row.items() if name not in TIMES}
        | {"curve": [{name: value for name, value in point.items() if name not in TIMES} for point in row["curve"]]}
        for row in rows
    ]


def untimed(tree):
    """Leave out what tells of time, in the verdict too."""
    if isinstance(tree, dict):
        return {name: untimed(value) for name, value in tree.items() if name not in TIMES}
    if isinstance(tree, list):
        return [untimed(value) for value in tree]
    return tree.partition(" Tuning of each method:")[0] if isinstance(tree, str) else tree


@pytest.mark.parametrize("stopping", ["none", "asha"])
@pytest.mark.parametrize("search", ["random", "tpe"])
def test_two_workspaces_come_to_the_same_but_for_times(tmp_path, search, stopping):
    write_split(tmp_path / "data", test_seed=1)
    config = tmp_path / "run.yaml"
    config.write_text(CONFIG.format(folder=tmp_path, search=search, stopping=stopping), encoding="utf-8")
    tables, answers, files = [], [], []
    for name in "ab":
        workspace, common = str(tmp_path / name), ("--config", config, "--workspace", tmp_path / name)
        KilledRun("stage", "results", *common).finish(timeout=600)
        written = [tmp_path / f"{name}.{kind}" for kind in ("json", "csv")]
        KilledRun("results", *common, "--json-out", written[0], "--csv", written[1]).finish(timeout=120)
        tables.append({table: rows_of(Workspace.open(workspace), table) for table in ("trials", "results")})
        answers.append(untimed(json.loads(written[0].read_text())))
        with written[1].open(newline="") as stream:
            files.append([untimed(row) for row in csv.DictReader(stream)])
    assert len(tables[0]["trials"]) == 18
    assert ("pruned" in {row["status"] for row in tables[0]["trials"]}) == (stopping == "asha")
    assert repr(tables[0]) == repr(tables[1])
    assert answers[0] == answers[1]
    assert files[0] == files[1]
