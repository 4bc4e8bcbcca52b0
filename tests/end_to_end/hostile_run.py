"""The LLM stages and the pool of small runs on one Ray, and what must hold whatever texts and answers are."""

import contextlib
import io

from one_ray import connected
from rich.console import Console

from hnlm_ray.base.progress import LineProgress
from hnlm_ray.negatives.text import semantic_negative_task
from hnlm_ray.pipeline.run import run_stages
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.profiles.items import item_profile_task
from hnlm_ray.profiles.users import user_profile_task
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.tables import KEYS, TABLES

TASKS = {
    "item_profiles": item_profile_task,
    "user_profiles": user_profile_task,
    "semantic_negatives": semantic_negative_task,
}


def run_to_pool(*configs):
    """Run the stages up to the pool of each configuration; returns their workspaces."""
    workspaces = [Workspace.open(config.workspace) for config in configs]
    progress, pool = LineProgress(Console(file=io.StringIO())), find_stage("negative_pool")
    with contextlib.ExitStack() as stack:
        for number, (config, workspace) in enumerate(zip(configs, workspaces, strict=True)):

            def connect(stages, config=config, number=number):
                if not number:
                    stack.enter_context(connected(config, stages))

            list(run_stages(config, workspace, progress, connect, only=pool))
    return workspaces


def prompts_of(task):
    """Return the prompts of all rows of a stage."""
    return [prompt for bucket in range(task.buckets) for prompt in task.prompts(bucket)]


def check_tables(config, workspace):
    """Check that every row has one outcome, and that tables, manifests and prompts agree."""
    for name, task_of in TASKS.items():
        table, manifest = workspace.table(name).read(), workspace.table(name).manifest()
        asked = {prompt.key: prompt for prompt in prompts_of(task_of(config, workspace))}
        rows = {tuple(row[key] for key in KEYS[name]): row for row in table.to_pylist()}
        assert table.schema.equals(TABLES[name])
        assert (len(rows), rows.keys()) == (table.num_rows, asked.keys())
        assert manifest.rows.ok + manifest.rows.none + manifest.rows.failed == len(rows) > 0
        noted = {key: (prompt.cut, prompt.defused) for key, prompt in asked.items()}
        assert noted == {key: (row["prompt_cut"], row["prompt_defused"]) for key, row in rows.items()}
        assert manifest.counts["prompts_cut"] == sum(cut > 0 for cut, _ in noted.values())
        assert manifest.counts["prompts_defused"] == sum(defused for _, defused in noted.values())
    check_pool(workspace)


def check_pool(workspace):
    """Check that each training pair has one row, with items of the catalogue that its user does not like."""
    pool, rows = workspace.table("negative_pool").read(), workspace.table("interactions").read().to_pylist()
    train = {(row["user"], row["item"]) for row in rows if row["split"] == "train"}
    items = set(workspace.table("items").read(["item"])["item"].to_pylist())
    assert pool.schema.equals(TABLES["negative_pool"])
    pairs = pool.to_pylist()
    assert sorted((row["user"], row["item"]) for row in pairs) == sorted(train)
    negatives = {(row["user"], item) for row in pairs for item in row["negatives"]}
    assert {item for _, item in negatives} <= items
    assert not negatives & train
