"""A small data set with given splits, run through the real pipeline on a real local Ray with the scripted engine."""

import contextlib
import copy
import os
import random

from one_ray import connected

from hnlm_ray.base.progress import LineProgress
from hnlm_ray.config import Config
from hnlm_ray.pipeline.run import run_stages
from hnlm_ray.workspace import Workspace

USERS, ITEMS = 40, 36


def write_split(folder, *, test_seed):
    """Write NGCF files: the same train whatever the seed, test items permuted among users by it."""
    draw = random.Random(7)
    train = {user: draw.sample(range(ITEMS), 8) for user in range(USERS)}
    draw = random.Random(test_seed)
    test = {user: draw.sample([item for item in range(ITEMS) if item not in train[user]], 4) for user in range(USERS)}
    os.makedirs(folder, exist_ok=True)
    for name, rows in (("train", train), ("test", test)):
        lines = (" ".join(map(str, (user, *items))) for user, items in rows.items())
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    titles = (f"{item},Unique Title {item:03},genre{item % 3}" for item in range(ITEMS))
    (folder / "items.csv").write_text("\n".join(["item_id,title,genre", *titles]) + "\n")
    return folder


# The whole pipeline, fine-tuning included, as quick as it gets. (A start of Ray Train alone takes half a minute.)
WHOLE = {
    "finetune": {
        "model": "tiny",
        "epochs": 1,
        "max_tokens": 96,
        "lora": {"rank": 4, "alpha": 8},
        "workers": 1,
        "batch_size": 16,
        "micro_batch": 16,
        "max_failures": 0,
    },
    "embeddings": {"engine": "torch", "pairs_per_user": 2},
    "teacher": {"cf": {"dim": 8, "epochs": 4, "validation": "none"}, "pairs_per_user": 3, "window": [2, 12]},
    "records": {"most": 96},
    "evidence": {"judge": True, "candidates": 3, "hard": 4},
}
WHOLE_METHODS = ["popularity", "rns", "dns", "pool", "pool_alpha0", "pool_random", "pool_shuffled", "pool_facts"]
WHOLE_METHODS += ["hnlmrec_teacher", "hnlmrec_item", "guard_facts"]
WHOLE_METHODS += ["hnlmrec", "hnlmrec_shuffled", "hnlmrec_frozen", "guard", "guard_no_text", "guard_shuffled"]


def small_config(source, workspace, **changes):
    """Return a configuration that runs the whole pipeline in seconds."""
    tree = {
        "name": "small",
        "workspace": str(workspace),
        "source": {
            "format": "ngcf",
            "path": str(source),
            "items": {"path": f"{source}/items.csv", "columns": {"attributes": ["genre"]}},
        },
        "prepare": {"user_core": 1, "item_core": 1, "buckets": 3, "split": {"method": "given", "validation": 0.2}},
        "llm": {
            "engine": "scripted",
            "encoder": "trigrams",
            "batch_rows": 8,
            "scripted": {"bad_json": 0.1, "none": 0.05},
        },
        "negatives": {"pairs_per_user": 2, "nearest_cosine": -1.0},
        "finetune": {"enabled": False},
        "cf": {"dim": 8, "epochs": 4, "batch_size": 128},
        "tune": {
            "trials": 2,
            "seeds": 2,
            "methods": ["rns", "dns", "pool", "pool_alpha0", "pool_random", "pool_shuffled"],
        },
    }
    for path, value in changes.items():
        *sections, key = path.split("__")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[key] = copy.deepcopy(value)  # a later change goes into it
    return Config.model_validate(tree)


def run_pipeline(config, console, only=None):
    """Run stages in this process; Ray starts only when something must run."""
    workspace = Workspace.open(config.workspace)
    with contextlib.ExitStack() as stack:
        ran = run_stages(
            config,
            workspace,
            LineProgress(console),
            lambda stages: stack.enter_context(connected(config, stages)),
            only=only,
        )
        return workspace, [status.stage.name for status in ran]
