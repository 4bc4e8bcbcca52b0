"""Ranks for everybody, two users a chunk, in a process of its own that a test may kill: list_driver.py CONFIG.json."""

import sys
from pathlib import Path

from hnlm_ray.cluster.connect import connected
from hnlm_ray.config import Config
from hnlm_ray.recommend import lists
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.stage import StageRun


class Told:
    """Progress that is printed."""

    def start(self, stage, total, done=0, unit="rows"):
        print("start", total, done, flush=True)

    def advance(self, rows=1, tokens=0):
        print("advance", rows, flush=True)

    def finish(self):
        """Nothing to close."""


if __name__ == "__main__":
    config = Config.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    lists.USERS_PER_CHUNK = 2
    with connected(config, []):
        outcome = lists.recommend_to_all(StageRun(config, Workspace.open(config.workspace), "e" * 64, Told()))
    print("ok", outcome.rows.ok, flush=True)
