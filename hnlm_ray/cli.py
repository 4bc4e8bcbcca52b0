"""The ``hnlm`` command: declares the commands, their options and their help.

What a command does is in :mod:`hnlm_ray.commands`; it is imported when the command runs, so that
``hnlm --help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from hnlm_ray.cli_cf import cf_app
from hnlm_ray.commands.invocation import ReportingGroup, current, unwind_on_sigterm
from hnlm_ray.commands.options import (
    AsJson,
    ConfigPath,
    Debug,
    JsonOut,
    Overrides,
    WorkspaceUri,
    load,
    open_run,
    same_options,
)
from hnlm_ray.commands.output import Output

_PLAIN = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    cls=ReportingGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=_PLAIN,
    help="LLM-driven hard negatives for collaborative filtering, on Ray. Start: hnlm run --config configs/demo.yaml",
)
config_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show a configuration, or its schema.")
models_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make or list the model files of a run.")
app.add_typer(config_app, name="config")
app.add_typer(models_app, name="models")
finetune_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure the fine-tuned LLM.")
app.add_typer(finetune_app, name="finetune")
app.add_typer(cf_app, name="cf")


@app.command()
def init(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Data files, zips, or a folder that holds them.")
    ],
    *,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="The configuration to write; else NAME.yaml.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="The run's name; else the file's.")] = None,
    workspace: Annotated[
        str | None, typer.Option("--workspace", "-w", metavar="URI", help="Folder of the run; else runs/NAME.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the configuration if it exists.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the likelier reading.")] = False,
    user: Annotated[str | None, typer.Option("--user", metavar="COLUMN", help="The users' ids.")] = None,
    item: Annotated[str | None, typer.Option("--item", metavar="COLUMN", help="The items' ids.")] = None,
    rating: Annotated[str | None, typer.Option("--rating", metavar="COLUMN", help="The ratings.")] = None,
    time: Annotated[str | None, typer.Option("--time", metavar="COLUMN", help="The times.")] = None,
    time_format: Annotated[
        str | None, typer.Option("--time-format", metavar="FORMAT", help="How times are written, such as %d.%m.%Y.")
    ] = None,
    title: Annotated[str | None, typer.Option("--title", metavar="COLUMN", help="The items' names.")] = None,
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="Whether the first lines name the columns.")
    ] = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Look at files of any kind and write a configuration that reads them, with the evidence beside each value.

    Finds out how the files are written, which holds the interactions and which the items, and what each column means;
    asks only where two readings are plausible.

    Example: hnlm init ratings.zip products.csv --yes
    """
    from hnlm_ray.commands.init import Wanted
    from hnlm_ray.commands.init import init as write_configuration
    from hnlm_ray.discover.overrides import Overrides

    overrides = Overrides(user, item, rating, time, title, time_format, header)
    write_configuration(files, Wanted(out, name, workspace, force, yes, overrides), Output(as_json, json_out))


@app.command()
def run(
    context: typer.Context,
    *,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001  read by its callback
) -> None:
    """Run the stages that are not fresh, then print the comparison.

    Says first which stage will run and why. Stop it at any time: the same command goes on.

    Example: hnlm run --config configs/demo.yaml --set cf.epochs=20
    """
    from hnlm_ray.commands.execution import Execution
    from hnlm_ray.commands.run import run_pipeline

    loaded, folder = open_run(config, overrides, workspace)
    execution = Execution(loaded, folder, Output(as_json, json_out), current(context))
    run_pipeline(execution, same_options(config, overrides, workspace))


@app.command()
def stage(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A stage, as `hnlm status` lists them.")],
    *,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Run one stage, and before it whatever it needs that is not fresh.

    Example: hnlm stage item_profiles --config configs/demo.yaml
    """
    from hnlm_ray.commands.execution import Execution
    from hnlm_ray.commands.run import run_one

    loaded, folder = open_run(config, overrides, workspace)
    execution = Execution(loaded, folder, Output(as_json, json_out), current(context))
    run_one(execution, name, same_options(config, overrides, workspace))


@app.command()
def status(
    *,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Show where each stage stands and what a run would do; changes nothing, also while a run is at work.

    Example: hnlm status --config configs/demo.yaml --set cf.epochs=20
    """
    from hnlm_ray.commands.status import report_status

    report_status(*open_run(config, overrides, workspace), Output(as_json, json_out))


@app.command()
def results(
    *,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Print the ranked comparison of a finished run.

    Example: hnlm results --config configs/demo.yaml --json
    """
    from hnlm_ray.commands.results import report_results

    report_results(*open_run(config, overrides, workspace), Output(as_json, json_out))


@app.command()
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
    from hnlm_ray.commands.report import write_report

    run = open_run(config, overrides, workspace)
    write_report(*run, Output(as_json, json_out), out=out, options=same_options(config, overrides, workspace))


@app.command()
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
    from hnlm_ray.commands.show import report

    _, folder = open_run(config, overrides, workspace)
    report(kind, wanted, folder, Output(as_json, json_out), by_index=by_index)


@app.command()
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
    """Recommend unseen items to every user, to one user, or to a new user with a history.

    For every user it runs what is not fresh first, as `hnlm run` does; for one it reads what is there.

    Example: hnlm recommend --config configs/demo.yaml --user 196 -k 5
    """
    from hnlm_ray.commands.execution import Execution
    from hnlm_ray.commands.recommend import recommend_to_all, recommend_to_one

    if user is not None or history:
        run = open_run(config, overrides, workspace)
        recommend_to_one(*run, Output(as_json, json_out), user=user, history=history or (), k=k)
        return
    wanted = [*(overrides or ()), *([] if k is None else [f"recommend.k={k}"])]
    loaded, folder = open_run(config, wanted, workspace)
    execution = Execution(loaded, folder, Output(as_json, json_out), current(context))
    recommend_to_all(execution, same_options(config, wanted, workspace))


@app.command()
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

    Read negatives in your own training loop with hnlm_ray.negatives.sampler.PoolNegatives.

    Example: hnlm export negatives --config configs/demo.yaml --format csv --out negatives.csv
    """
    from hnlm_ray.commands.export import ExportRequest
    from hnlm_ray.commands.export import export as write_export

    run = open_run(config, overrides, workspace)
    write_export(*run, Output(as_json, json_out), ExportRequest(name, kind, out, force))


@app.command()
def doctor(
    *,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Check this machine and say what to do; with --config also the run's workspace, models and cluster.

    Example: hnlm doctor --config configs/demo.yaml
    """
    from hnlm_ray.commands.doctor import examine

    loaded = load(config, overrides, workspace) if config is not None else None
    examine(loaded, Output(as_json, json_out))


@config_app.command("show")
def config_show(
    *,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Print the whole configuration, defaults included, as YAML.

    Example: hnlm config show --config configs/demo.yaml --set cf.dim=32
    """
    from hnlm_ray.commands.configuration import show_config

    show_config(load(config, overrides, workspace), Output(as_json, json_out))


@config_app.command("schema")
def config_schema(*, json_out: JsonOut = None, debug: Debug = False) -> None:  # noqa: ARG001
    """Print the JSON schema of a configuration: every value, what it does and what is allowed.

    Example: hnlm config schema --json-out schema.json
    """
    from hnlm_ray.commands.configuration import show_schema

    show_schema(Output(json_out=json_out))


@models_app.command("fetch")
def models_fetch(*, as_json: AsJson = False, json_out: JsonOut = None, debug: Debug = False) -> None:  # noqa: ARG001
    """Make the embedded LLM's checkpoint in the cache folder ($HNLM_CACHE), unless it is there.

    Example: hnlm models fetch
    """
    from hnlm_ray.commands.models import fetch

    fetch(Output(as_json, json_out))


@models_app.command("list")
def models_list(
    *,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Print the LLM and the encoder (of a configuration, else the embedded ones) and where they are.

    Example: hnlm models list --config configs/demo.yaml
    """
    from hnlm_ray.commands.models import list_models
    from hnlm_ray.config import LLMConfig

    llm = LLMConfig() if config is None else load(config, overrides, workspace).llm
    list_models(llm, Output(as_json, json_out))


@finetune_app.command("eval")
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
    from hnlm_ray.commands.execution import Execution
    from hnlm_ray.commands.finetune import run_eval

    loaded, folder = open_run(config, overrides, workspace)
    run_eval(Execution(loaded, folder, Output(as_json, json_out), current(context)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ``arguments`` default to those of the process."""
    unwind_on_sigterm()
    app(args=None if arguments is None else list(arguments), prog_name="hnlm")


if __name__ == "__main__":
    main()
