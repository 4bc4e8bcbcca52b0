"""``hnlm results``: the ranked comparison, from the published tables.

The ranked comparison as a CSV file: one row a method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyarrow as pa
from rich.console import Console

from hnlm_ray.base.errors import InputError, WorkspaceError
from hnlm_ray.base.text import redacted
from hnlm_ray.commands.output import Output, open_console, say
from hnlm_ray.commands.results.results_table import results_table
from hnlm_ray.compare.method_rows import refit_rows
from hnlm_ray.compare.user_groups import HISTORIES, POPULARITIES, groups_of
from hnlm_ray.config import Config
from hnlm_ray.export.files import Target, write_rows
from hnlm_ray.pipeline.status import what_differs
from hnlm_ray.workspace import Manifest, PublishedTables, Workspace

_OF_METHODS: Final = (
    *("family", "control_of", "takes", "searches", "trials", "dimensions", "pruned", "cpu_seconds", "seeds"),
    "llm_tokens",
)
_COUNTS: Final = ("wins", "ties", "losses")


def csv_target(path: str) -> Target:
    """Return the file that ``--csv`` names; InputError where it can't be written."""
    target = Target.named(path, "--csv")
    target.check(force=True)
    return target


def write_csv(target: Target, answer: Mapping[str, Any]) -> None:
    """Write the methods, best first; texts that a spreadsheet would compute are escaped.

    Raises
    ------
    InputError
        The place can't be written, or is full.
    """
    table = results_rows(answer)
    write_rows(target, "csv", table.schema, [table])


def results_rows(answer: Mapping[str, Any]) -> pa.Table:
    """Return a row a method: its figures, and its difference to the best classical one; null where there is none."""
    rows = [dict(_cells(rank, method)) for rank, method in enumerate(answer["methods"], 1)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: pa.array([row.get(name) for row in rows], _type(name)) for name in names})


def _type(name: str) -> pa.DataType:
    if name in {"method", "family", "control_of", "takes", "error"}:
        return pa.string()
    whole = name in {
        "rank",
        "searches",
        "trials",
        "dimensions",
        "pruned",
        "seeds",
        "llm_tokens",
        "failed_trials",
        "failed_seeds",
    }
    return pa.int64() if whole or name.endswith((*_COUNTS, "_users")) else pa.float64()


def _cells(rank: int, method: Mapping[str, Any]) -> Iterator[tuple[str, str | int | float | None]]:
    yield from {"rank": rank, "method": method["name"]}.items()
    yield from ((name, method[name]) for name in _OF_METHODS)
    yield from ((f"failed_{name}", sum(counts.values())) for name, counts in method["errors"].items())
    yield "error", method["reasons"][0]["error"] if method["reasons"] else None
    for kind in ("validation", "test", "test_std"):
        yield from ((f"{kind}_{metric}", value) for metric, value in method[kind].items())
    yield from _versus(method["versus_best_classical"])


def _versus(versus: Mapping[str, Any]) -> Iterator[tuple[str, str | int | float | None]]:
    for name in ("difference", "relative"):
        yield name, versus[name]
        interval = versus["ci95" if name == "difference" else "relative_ci95"]
        yield from zip((f"{name}_low", f"{name}_high"), interval, strict=True)
    yield from ((name, versus[name]) for name in ("p_holm", "effect_size", *_COUNTS))
    for group in (*HISTORIES, *POPULARITIES):
        own = versus["by_group"].get(group, {})
        yield from ((f"{group}_{name}", own.get(name)) for name in ("users", "difference", *_COUNTS))


Answer = dict[str, Any]
_SIZES = {"users": "users", "items": "items", "interactions": "interactions"}


def read_results(config: Config, workspace: Workspace) -> Answer:
    """Return the leaderboard of a finished run, and whether it is the one that the configuration asks for.

    Raises
    ------
    WorkspaceError
        When the tables ``trials`` and ``results`` are not there yet, or don't belong to the same run.
    """
    from hnlm_ray.compare.leaderboard import leaderboard
    from hnlm_ray.methods.known import RunMethods

    published = PublishedTables.look(workspace)
    manifest = _results_manifest(published, workspace.uri)
    differs = _difference(config, workspace)
    board = leaderboard(
        workspace.table("trials").read().to_pylist(),
        refit_rows(workspace.table("results").read()),
        dataset_facts(published),
        str(manifest.depends_on.get("tune.metric", config.tune.metric)),
        groups=groups_of(workspace.table("interactions").read(["user", "item", "split"])),
        search=search_facts(published.manifests["trials"].depends_on),
        methods=RunMethods.of(config.tune),
        tokens=published.tokens,
    )
    return {**board, "fresh": differs is None, "reason": differs}


def search_facts(depends_on: Mapping[str, Any]) -> Answer:
    """Return how the trials were searched for, from the settings that their table was made with."""
    by_seconds = depends_on.get("tune.cpu_seconds") is not None
    told = {name: depends_on.get(f"tune.{name}") for name in ("search", "stopping")}
    return {**told, "equal": "cpu_seconds" if by_seconds else "trials"}


def _results_manifest(published: PublishedTables, uri: str) -> Manifest:
    if published.state("results") == "absent":
        raise WorkspaceError(f"there are no results in {uri} yet: run `hnlm run` with the same options first")
    if newer := published.made_anew("results"):
        raise WorkspaceError(
            f"the results in {uri} were made from other data than is there now ({', '.join(newer)}): "
            "run `hnlm run` with the same options first"
        )
    return published.manifests["results"]


def _difference(config: Config, workspace: Workspace) -> str | None:
    try:
        differs = what_differs(config, workspace, "results")
    except InputError as error:  # results outlive the source's files and the models
        return f"can't be told: {redacted(str(error))}"
    return None if differs is None else redacted(differs)


def dataset_facts(published: PublishedTables) -> dict[str, int]:
    """Return how many users, items and interactions the comparison is about."""
    manifests = {name: published.manifests.get(table) for name, table in _SIZES.items()}
    return {name: sum(file.rows for file in found.files) if found else 0 for name, found in manifests.items()}


def report_results(config: Config, workspace: Workspace, output: Output, csv: str | None = None) -> None:
    """Print the comparison and write it to the CSV file named; a note beside it when it is another configuration's."""
    target = None if csv is None else csv_target(csv)
    answer = read_results(config, workspace)
    if not answer["fresh"]:
        note = f"note: these results are not of the configuration given ({answer['reason']}): `hnlm run` makes those"
        say(open_console(stderr=True), note)
    if target is not None:
        write_csv(target, answer)
    output.emit(answer, lambda console: show_results(console, answer))


def show_results(console: Console, answer: Mapping[str, Any]) -> None:
    """Print the verdict and the ranked table, with as many of its columns as there is room for."""
    data, metric = answer["dataset"], answer["metric"]
    say(console, f"{data['users']:,} users, {data['items']:,} items, {data['interactions']:,} interactions")
    table, left_out = results_table(answer["methods"], metric, console.width)
    console.print(table)
    if left_out:
        say(console, f"for want of room without: {', '.join(left_out)} (all with --json or --csv FILE)")
    say(console, answer["headline"])
    say(console, answer["verdict"])
