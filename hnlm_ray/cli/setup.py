"""Commands before a run: ``hnlm init`` and ``doctor``, ``hnlm config ...``, ``hnlm models ...``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from hnlm_ray.commands.options import AsJson, ConfigPath, Debug, JsonOut, Overrides, WorkspaceUri, load
from hnlm_ray.commands.output import Output


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
    from hnlm_ray.commands.setup.configuration import show_config

    show_config(load(config, overrides, workspace), Output(as_json, json_out))


def config_schema(*, json_out: JsonOut = None, debug: Debug = False) -> None:  # noqa: ARG001
    """Print the JSON schema of a configuration: every value, what it does and what is allowed.

    Example: hnlm config schema --json-out schema.json
    """
    from hnlm_ray.commands.setup.configuration import show_schema

    show_schema(Output(json_out=json_out))


def models_fetch(*, as_json: AsJson = False, json_out: JsonOut = None, debug: Debug = False) -> None:  # noqa: ARG001
    """Make the embedded LLM's checkpoint in the cache folder ($HNLM_CACHE), unless it is there.

    Example: hnlm models fetch
    """
    from hnlm_ray.commands.setup.models import fetch

    fetch(Output(as_json, json_out))


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
    from hnlm_ray.commands.setup.models import list_models
    from hnlm_ray.config import LLMConfig

    llm = LLMConfig() if config is None else load(config, overrides, workspace).llm
    list_models(llm, Output(as_json, json_out))


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
    rating: Annotated[str | None, typer.Option("--rating", metavar="COLUMN", help="The ratings, or none.")] = None,
    time: Annotated[str | None, typer.Option("--time", metavar="COLUMN", help="The times, or none.")] = None,
    time_format: Annotated[
        str | None, typer.Option("--time-format", metavar="FORMAT", help="How times are written, such as %d.%m.%Y.")
    ] = None,
    title: Annotated[str | None, typer.Option("--title", metavar="COLUMN", help="The items' names.")] = None,
    events: Annotated[
        str | None, typer.Option("--events", metavar="A,B", help="Kinds of events that count as a positive.")
    ] = None,
    best: Annotated[
        Literal["highest", "lowest"] | None, typer.Option("--best", help="Which grade of a rating is the best.")
    ] = None,
    fold_ids: Annotated[
        str | None,
        typer.Option("--fold-ids", metavar="A,B", help="What ids lose: blanks, decimals, zeros, case, unicode."),
    ] = None,
    interactions: Annotated[
        str | None, typer.Option("--interactions", metavar="FILE", help="Which of the files holds the interactions.")
    ] = None,
    split: Annotated[
        Literal["random", "leave_last_out", "time", "given"] | None,
        typer.Option("--split", help="How positives are split; given: the files train and test."),
    ] = None,
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
    from hnlm_ray.commands.setup.init import Wanted
    from hnlm_ray.commands.setup.init import init as write_configuration
    from hnlm_ray.discover.files.sample import Overrides, listed

    overrides = Overrides(
        *(user, item, rating, time, title, time_format, header, listed(events), best, listed(fold_ids)),
        *(interactions, split),
    )
    write_configuration(files, Wanted(out, name, workspace, force, yes, overrides), Output(as_json, json_out))


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
    from hnlm_ray.commands.setup.doctor import examine

    loaded = load(config, overrides, workspace) if config is not None else None
    examine(loaded, Output(as_json, json_out))
