"""The commands ``hnlm finetune ...``."""

from __future__ import annotations

import typer

from hnlm_ray.commands.invocation import current
from hnlm_ray.commands.options import AsJson, ConfigPath, Debug, JsonOut, Overrides, WorkspaceUri, open_run
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
