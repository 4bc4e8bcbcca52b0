"""The sweep of the pipeline on data that are given, without the stages before it."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from hnlm_ray.base.progress import LineProgress
from hnlm_ray.cf import CFData
from hnlm_ray.cluster.connect import connected
from hnlm_ray.config import Config
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.stage import StageRun, chunks_of
from hnlm_ray.workspace.tables import TABLES

FINGERPRINT: Final = "1" * 64


def run_sweep(config: Config, data: CFData, progress: LineProgress) -> pa.Table:
    """Search, Ray's start and end included; returns the trials' rows."""
    workspace = Workspace.open(config.workspace)
    workspace.create()
    store = workspace.table("interactions")
    file = store.write_part("0" * 64, "part-0", pa.Table.from_pylist([], schema=TABLES["interactions"]))
    store.publish(Manifest(table="interactions", stage="prepare", fingerprint="0" * 64, files=(file,)))
    with connected(config, [find_stage("trials")]), progress:
        from hnlm_ray.tune.run import sweep as trainings
        from hnlm_ray.tune.search.job_queue import SearchedJobs
        from hnlm_ray.tune.stage import searched_methods

        queue = SearchedJobs(searched_methods(config, data), cpu_seconds=None, begun={})
        return trainings.Sweep.open(StageRun(config, workspace, FINGERPRINT, progress), "trials", data).run_all(queue)


def finished_rows(workspace: str) -> pa.Table:
    """Return the rows of the trials that have ended, of a sweep that runs or was killed."""
    store = Workspace.open(workspace).table("trials")
    return store.read_parts(store.parts(chunks_of(FINGERPRINT)))
