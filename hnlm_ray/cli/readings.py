"""Commands that read what a run left: report, users and items, lists, files, the fine-tuned LLM's figures."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from hnlm_ray.commands.invocation import current
from hnlm_ray.commands.options import (
    AsJson,
    ConfigPath,
    Debug,
    JsonOut,
    Overrides,
    WorkspaceUri,
    open_run,
    same_options,
)
from hnlm_ray.commands.output import Output


def finetune_eval(
    context: typer.Context,
    *,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Compare the fine-tuned LLM with what needs less, on users it has not seen.

    Runs what is not fresh first: teacher, records, fine-tuning and the comparison.

    Example: hnlm finetune eval --config configs/demo.yaml --json
    """
    from hnlm_ray.commands.results.finetune import run_eval
    from hnlm_ray.commands.stages.execution import Execution

    loaded, folder = open_run(config, overrides, workspace)
    run_eval(Execution(loaded, folder, Output(as_json, json_out), current(context)))


def report(
    *,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="Path or URI; else report.html in the workspace."),
    ] = None,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Write what a run found as one HTML file, also while it is half done; starts nothing.

    Example: hnlm report --config configs/demo.yaml --out report.html
    """
    from hnlm_ray.commands.results.report import write_report

    run = open_run(config, overrides, workspace)
    write_report(*run, Output(as_json, json_out), out=out, options=same_options(config, overrides, workspace))


def show(
    kind: Annotated[Literal["user", "item"], typer.Argument(metavar="user|item")],
    wanted: Annotated[str, typer.Argument(metavar="ID", help="The source's own id, or an index with --index.")],
    *,
    by_index: Annotated[bool, typer.Option("--index", help="ID is the dense index (0, 1, ...).")] = False,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Show one user or item: history, profile, hard negatives and what they were grounded to.

    Example: hnlm show user 196 --config configs/demo.yaml
    """
    from hnlm_ray.commands.show.show import report

    _, folder = open_run(config, overrides, workspace)
    report(kind, wanted, folder, Output(as_json, json_out), by_index=by_index)


def recommend(
    context: typer.Context,
    *,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="A user, by the source's own id.")] = None,
    history: Annotated[
        list[str] | None,
        typer.Option("--history", metavar="ITEM", help="An item of a new user (or several: A,B,C); may be repeated."),
    ] = None,
    k: Annotated[int | None, typer.Option("-k", min=1, metavar="N", help="Items a user gets.")] = None,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Recommend items to every user, to one user, or to a new user with a history.

    For every user it runs what is not fresh first, as `hnlm run` does; for one it reads what is there.

    Example: hnlm recommend --config configs/demo.yaml --user 196 -k 5
    """
    from hnlm_ray.commands.show.recommend import recommend_to_all, recommend_to_one
    from hnlm_ray.commands.stages.execution import Execution

    if user is not None or history:
        run = open_run(config, overrides, workspace)
        recommend_to_one(*run, Output(as_json, json_out), user=user, history=history or (), k=k)
        return
    wanted = [*(overrides or ()), *([] if k is None else [f"recommend.k={k}"])]
    loaded, folder = open_run(config, wanted, workspace)
    execution = Execution(loaded, folder, Output(as_json, json_out), current(context))
    recommend_to_all(execution, same_options(config, wanted, workspace))


def export(
    name: Annotated[
        Literal["negatives", "recommendations", "embeddings"],
        typer.Argument(metavar="negatives|recommendations|embeddings", help="What to export."),
    ],
    *,
    kind: Annotated[
        Literal["parquet", "csv", "npy"] | None,
        typer.Option("--format", help="csv: not for embeddings; npy: for these alone. As --out ends, else parquet."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="PATH", help="Path or URI (embeddings: a folder); else in exports/ of the run."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Write hard negatives, recommendations or the model's vectors with the source's own ids.

    Read negatives in your own training loop with hnlm_ray.export.negative_sampler.PoolNegatives.

    Example: hnlm export negatives --config configs/demo.yaml --format csv --out negatives.csv
    """
    from hnlm_ray.commands.show.export import ExportRequest
    from hnlm_ray.commands.show.export import export as write_export

    run = open_run(config, overrides, workspace)
    write_export(*run, Output(as_json, json_out), ExportRequest(name, kind, out, force))
