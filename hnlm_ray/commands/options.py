"""The options that every command shares, and what they open."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hnlm_ray.base.errors import ConfigError
from hnlm_ray.base.text import MASK, is_secret_name
from hnlm_ray.commands.invocation import current

if TYPE_CHECKING:
    from hnlm_ray.config import Config
    from hnlm_ray.workspace import Workspace


def _remember_debug(context: typer.Context, value: bool) -> bool:  # noqa: FBT001  typer's callback
    current(context).debug = current(context).debug or value
    return value


ConfigPath = Annotated[
    str | None,
    typer.Option("--config", "-c", metavar="PATH", envvar="HNLM_CONFIG", help="The run's YAML file."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="Override one value, such as cf.epochs=20; may be repeated."),
]
WorkspaceUri = Annotated[
    str | None,
    typer.Option("--workspace", "-w", metavar="URI", help="Folder of the run, instead of the config's."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")]
JsonOut = Annotated[str | None, typer.Option("--json-out", metavar="FILE", help="Write that JSON object to a file.")]
Debug = Annotated[bool, typer.Option("--debug", callback=_remember_debug, help="Show the traceback of an error.")]


def load(config: str | None, overrides: Sequence[str] | None, workspace: str | None) -> Config:
    """Read the configuration that a command names.

    Raises
    ------
    ConfigError
        When none is named, or it is wrong.
    """
    from hnlm_ray.config.loading import load_config

    if config is None:
        raise ConfigError("no configuration is named: add --config PATH, for example --config configs/demo.yaml")
    return load_config(config, overrides or (), workspace)


def open_run(config: str | None, overrides: Sequence[str] | None, workspace: str | None) -> tuple[Config, Workspace]:
    """Read the configuration and open its workspace, without touching it."""
    from hnlm_ray.workspace import Workspace

    loaded = load(config, overrides, workspace)
    return loaded, Workspace.open(loaded.workspace)


def same_options(config: str | None, overrides: Sequence[str] | None, workspace: str | None) -> str:
    """Return the options as a shell would take them, for commands that a text suggests; secret values are masked."""
    words = ["--config", config or ""]
    for override in overrides or ():
        words += ["--set", _shown(override)]
    if workspace is not None:
        words += ["--workspace", workspace]
    return shlex.join(words)


def _shown(override: str) -> str:
    """Mask a secret's value whole, before quoting: it may hold spaces and quotes."""
    path, given, _ = override.partition("=")
    return f"{path}={MASK}" if given and is_secret_name(path.strip().rpartition(".")[2]) else override
