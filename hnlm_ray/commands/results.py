"""``hnlm results``: the ranked comparison, from the published tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from hnlm_ray.commands.narration import say
from hnlm_ray.commands.output import Output
from hnlm_ray.config import Config
from hnlm_ray.errors import WorkspaceError
from hnlm_ray.workspace import Workspace

Answer = dict[str, Any]
_SIZES = {"users": "users", "items": "items", "interactions": "interactions"}


def read_results(config: Config, workspace: Workspace) -> Answer:
    """Return the leaderboard of a finished run.

    Raises
    ------
    WorkspaceError
        When the tables ``trials`` and ``results`` are not there yet.
    """
    from hnlm_ray.tune.leaderboard import leaderboard

    manifest = workspace.table("results").manifest()
    if manifest is None or not workspace.table("results").intact(manifest):
        raise WorkspaceError(f"there are no results in {workspace.uri} yet: run `hnlm run` with the same options first")
    trials, results = (workspace.table(name).read().to_pylist() for name in ("trials", "results"))
    metric = str(manifest.depends_on.get("tune.metric", config.tune.metric))
    return leaderboard(trials, results, dataset_facts(workspace), metric)


def dataset_facts(workspace: Workspace) -> dict[str, int]:
    """Return how many users, items and interactions the comparison is about."""
    manifests = {name: workspace.table(table).manifest() for name, table in _SIZES.items()}
    return {name: sum(file.rows for file in found.files) if found else 0 for name, found in manifests.items()}


def report_results(config: Config, workspace: Workspace, output: Output) -> None:
    """Print the comparison."""
    answer = read_results(config, workspace)
    output.emit(answer, lambda console: show_results(console, answer))


def show_results(console: Console, answer: Mapping[str, Any]) -> None:
    """Print the verdict and the ranked table."""
    data, metric = answer["dataset"], answer["metric"]
    say(console, f"{data['users']:,} users, {data['items']:,} items, {data['interactions']:,} interactions")
    console.print(_table(answer["methods"], metric))
    say(console, answer["verdict"])


def _table(methods: Sequence[Mapping[str, Any]], metric: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "method", "family"):
        table.add_column(heading)
    for heading in (
        f"test {metric}",
        "std",
        "validation",
        "vs best classical",
        "95% CI",
        "p (Holm)",
        "trials",
        "seeds",
    ):
        table.add_column(heading, justify="right")
    for rank, method in enumerate(methods, 1):
        table.add_row(str(rank), *_cells(method, metric))
    return table


def _cells(method: Mapping[str, Any], metric: str) -> list[str]:
    versus = method["versus_best_classical"]
    low, high = versus["ci95"]
    return [
        method["name"],
        method["family"],
        figure(method["test"][metric]),
        figure(method["test_std"][metric]),
        figure(method["validation"][metric]),
        figure(versus["difference"], sign=True),
        "" if low is None else f"[{low:+.4f}, {high:+.4f}]",
        figure(versus["p_holm"]),
        str(method["trials"]),
        str(method["seeds"]),
    ]


def figure(value: float | None, *, sign: bool = False) -> str:
    """Write a metric with four digits; nothing where there is none."""
    if value is None:
        return ""
    return f"{value:+.4f}" if sign else f"{value:.4f}"
