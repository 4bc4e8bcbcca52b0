"""Two runs of one configuration make the same tables, byte for byte, but for the times in them."""

import io

import one_ray
import pytest
from rich.console import Console
from small_run import run_pipeline, small_config, write_split

from hnlm_ray.pipeline.stages import STAGES

pytestmark = pytest.mark.real

TIMES = {"trials": ("seconds", "cpu_seconds", "curve"), "results": ("seconds",)}
"""Columns that hold times; the points of a trial's curve do."""
METHODS = ["rns", "guard"]


def contents(workspace, table):
    """Return a table's files as bytes or, of one with times, its other columns."""
    store = workspace.table(table)
    if table in TIMES:
        return store.read().drop_columns(list(TIMES[table]))
    return [(path.rsplit("/", 1)[-1], store.filesystem.open_input_file(path).read()) for path in store.paths()]


def test_two_runs_make_the_same_tables(tmp_path):
    source, made = write_split(tmp_path / "data", test_seed=1), []
    judged = {"judge": True, "candidates": 3, "hard": 4}
    for name in ("one", "two"):
        changes = {"evidence": judged, "negatives__pairs_per_user": 0, "cf__epochs": 2}
        changes |= {"tune__methods": METHODS, "tune__trials": 1}
        config = small_config(source, tmp_path / name, **changes)
        workspace, ran = run_pipeline(config, Console(file=io.StringIO()))
        made.append(
            {table: contents(workspace, table) for stage in STAGES if stage.name in ran for table in stage.outputs}
        )
    one, two = made
    assert {"candidates", "false_negative_model", "frontier", "model_users", "recommendations"} <= one.keys()
    assert [table for table in one if one[table] != two[table]] == []


def test_threads_of_sums_are_not_those_of_the_task_that_came_first():
    import ray

    def blas_threads():
        import scipy.linalg  # noqa: F401  loads a BLAS of its own beside NumPy's
        from threadpoolctl import threadpool_info

        return {found["num_threads"] for found in threadpool_info() if found["internal_api"] == "openblas"}

    one_ray.start()
    tasks = [ray.remote(num_cpus=cpus)(blas_threads) for cpus in (8, 8, 1, 0.5)]
    assert [ray.get(task.remote()) for task in tasks] == [{1}] * 4
