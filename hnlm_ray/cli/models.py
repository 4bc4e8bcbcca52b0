"""The commands ``hnlm models ...``."""

from __future__ import annotations

from hnlm_ray.commands.options import AsJson, ConfigPath, Debug, JsonOut, Overrides, WorkspaceUri, load
from hnlm_ray.commands.output import Output


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
