"""The commands ``hnlm study`` and ``hnlm study merge``."""

from __future__ import annotations

from typing import Annotated

import typer

from hnlm_ray.base.errors import ConfigError
from hnlm_ray.commands.invocation import current
from hnlm_ray.commands.options import AsJson, Debug, JsonOut
from hnlm_ray.commands.output import Output


def study(
    context: typer.Context,
    *,
    config: Annotated[str | None, typer.Option("--config", "-c", metavar="PATH", help="The study's YAML file.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="DATASET", help="Run this data set alone, such as on one of several machines."),
    ] = None,
    workspace: Annotated[
        str | None,
        typer.Option("--workspace", "-w", metavar="URI", help="Folder of the study, instead of the file's."),
    ] = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001  read by its callback
) -> None:
    """Compare methods on several data sets, rank them, and test the paper's claims.

    Runs what is not fresh, one run after the other. Stop it at any time: the same command goes on.
    `hnlm study merge OUT WORKSPACE...` brings the folders of several machines together.

    Example: hnlm study --config configs/studies/classical.yaml
    """
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise ConfigError("no study is named: add --config PATH, for example --config configs/studies/classical.yaml")
    from hnlm_ray.commands.results.study import StudyCommand
    from hnlm_ray.study.study_file import load_study

    StudyCommand(load_study(config, workspace), Output(as_json, json_out), current(context)).run(only or ())


def merge(
    out: Annotated[str, typer.Argument(metavar="OUT", help="Folder to copy to; what it holds of the study stays.")],
    folders: Annotated[list[str], typer.Argument(metavar="WORKSPACE...", help="Folders of one study.")],
    *,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Copy the finished runs of several folders of one study into one, and write its table.

    Example: hnlm study merge runs/studies/all runs/studies/here runs/studies/there
    """
    from hnlm_ray.commands.results.study import merge_studies

    merge_studies(out, folders, Output(as_json, json_out))
