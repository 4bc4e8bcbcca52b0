"""The LLM and the encoder that a run would load."""

from __future__ import annotations

from collections.abc import Callable

from hnlm_ray.base.errors import InputError
from hnlm_ray.commands.setup.checks.check import Check
from hnlm_ray.config import Config, LLMConfig
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.models import encoder_path, model_path


def model_checks(config: Config | None) -> list[Check]:
    """Check that both are on disk, or are hub ids."""
    llm = LLMConfig() if config is None else config.llm
    encoder = _check("encoder", llm.encoder, encoder_path)
    return [*_llm_checks(llm), encoder]


def _llm_checks(llm: LLMConfig) -> list[Check]:
    kind = engine_kind(llm)
    if (server := kind.server(llm)) is not None:
        return [Check("llm", "ok", f"{server.model} at {server.base_url}, not asked")]
    checkpoint = kind.checkpoint(llm)
    return [] if checkpoint is None else [_check("llm", checkpoint, model_path)]


def _check(role: str, name: str, locate: Callable[[str], str]) -> Check:
    try:
        return Check(role, "ok", locate(name))
    except InputError as error:
        return Check(role, "fail", str(error), "run `hnlm models fetch`, or set another with --set llm.model=PATH")
