"""The command ``hnlm plan``."""

from __future__ import annotations

from typing import Annotated

import typer

from hnlm_ray.commands.invocation import current
from hnlm_ray.commands.options import AsJson, ConfigPath, Debug, JsonOut, Overrides, WorkspaceUri, open_run
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
    from hnlm_ray.plan.options import Options, parse_rate

    options = Options(sample, measure, None if rate is None else parse_rate(rate))
    loaded, folder = open_run(config, overrides, workspace)
    invocation = current(context)
    invocation.stopped = "stopped; nothing of the plan is kept, what was prepared stays"
    make_plan(Execution(loaded, folder, Output(as_json, json_out), invocation), options)
