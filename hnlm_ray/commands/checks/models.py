"""The LLM and the encoder that a run would load."""

from __future__ import annotations

from collections.abc import Callable

from hnlm_ray.commands.checks.check import Check
from hnlm_ray.config import Config, LLMConfig
from hnlm_ray.errors import InputError
from hnlm_ray.llm.models import encoder_path, model_path


def model_checks(config: Config | None) -> list[Check]:
    """Check that both are on disk, or are hub ids."""
    llm = LLMConfig() if config is None else config.llm
    encoder = _check("encoder", llm.encoder, encoder_path)
    if llm.http is not None and llm.engine == "http":
        return [Check("llm", "ok", f"{llm.http.model} at {llm.http.base_url}, not asked"), encoder]
    return [encoder] if llm.engine == "scripted" else [_check("llm", llm.model, model_path), encoder]


def _check(role: str, name: str, locate: Callable[[str], str]) -> Check:
    try:
        return Check(role, "ok", locate(name))
    except InputError as error:
        return Check(role, "fail", str(error), "run `hnlm models fetch`, or set another with --set llm.model=PATH")
