"""Commands that plan and run stages, and say where a run stands."""

from __future__ import annotations

from typing import Annotated

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


def plan(
    context: typer.Context,
    *,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    sample: Annotated[int, typer.Option("--sample", min=1, max=4096, help="Rows of each LLM stage to look at.")] = 64,
    measure: Annotated[
        bool | None,
        typer.Option("--measure/--no-measure", help="Measure also what is remembered, or nothing at all."),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option("--rate", metavar="PREFILL,DECODE", help="Tokens/s of an engine elsewhere, instead of measuring."),
    ] = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001  read by its callback
) -> None:
    """Say what a run will cost before it is spent: rows, tokens, time, GPU hours, memory, disk, price.

    Runs ingest and prepare if they are not fresh, and measures the engine on a sample unless its rate is known.

    Example: hnlm plan --config configs/demo.yaml
    """
    from hnlm_ray.commands.stages.execution import Execution
    from hnlm_ray.commands.stages.plan import make_plan
    from hnlm_ray.plan.figures import Options, parse_rate

    options = Options(sample, measure, None if rate is None else parse_rate(rate))
    loaded, folder = open_run(config, overrides, workspace)
    invocation = current(context)
    invocation.stopped = "stopped; nothing of the plan is kept, what was prepared stays"
    make_plan(Execution(loaded, folder, Output(as_json, json_out), invocation), options)


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
    from hnlm_ray.commands.run import run_pipeline
    from hnlm_ray.commands.stages.execution import Execution

    loaded, folder = open_run(config, overrides, workspace)
    execution = Execution(loaded, folder, Output(as_json, json_out), current(context))
    run_pipeline(execution, same_options(config, overrides, workspace))


def stage(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A stage, as `hnlm status` lists them.")],
    *,
    retry: Annotated[
        str | None,
        typer.Option(
            "--retry",
            metavar="failed[:STATUS]",
            help="Make a stage's failed rows or trainings again, all or those with this status; runs no other stage.",
        ),
    ] = None,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Run one stage, and before it whatever it needs that is not fresh; or ask its failed rows again.

    Example: hnlm stage item_profiles --config configs/demo.yaml
    """
    from hnlm_ray.commands.run import retry_one, run_one
    from hnlm_ray.commands.stages.execution import Execution

    loaded, folder = open_run(config, overrides, workspace)
    execution = Execution(loaded, folder, Output(as_json, json_out), current(context))
    options = same_options(config, overrides, workspace)
    if retry is None:
        run_one(execution, name, options)
    else:
        retry_one(execution, name, retry, options)


def status(
    context: typer.Context,
    *,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="Show what runs, again and again until nothing does; with --json one object a line.",
        ),
    ] = False,
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
    loaded, folder = open_run(config, overrides, workspace)
    if follow:
        from hnlm_ray.commands.stages.follow import follow as follow_run

        current(context).stopped = "stopped looking; the run goes on"
        follow_run(folder, Output(as_json, json_out))
        return
    from hnlm_ray.commands.stages.status import report_status

    report_status(loaded, folder, Output(as_json, json_out))


def failures(
    *,
    stage: Annotated[
        str | None,
        typer.Option("--stage", metavar="NAME", help="One stage that asks an LLM or trains, instead of all."),
    ] = None,
    examples: Annotated[int, typer.Option("--examples", min=0, max=1000, help="Rows to show of each reason.")] = 3,
    config: ConfigPath = None,
    overrides: Overrides = None,
    workspace: WorkspaceUri = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Show which rows of LLM stages and which trainings failed, and why; changes nothing, also while a run is at work.

    Example: hnlm failures --stage item_profiles --config configs/demo.yaml
    """
    from hnlm_ray.commands.stages.failures import report_failures

    run = open_run(config, overrides, workspace)
    options = same_options(config, overrides, workspace)
    report_failures(*run, Output(as_json, json_out), stage=stage, examples=examples, options=options)


def results(
    *,
    csv: Annotated[
        str | None, typer.Option("--csv", metavar="FILE", help="Write the methods as a CSV file too.")
    ] = None,
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
    from hnlm_ray.commands.results.results import report_results

    report_results(*open_run(config, overrides, workspace), Output(as_json, json_out), csv)
