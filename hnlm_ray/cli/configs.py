"""The commands ``hnlm config ...``."""

from __future__ import annotations

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
