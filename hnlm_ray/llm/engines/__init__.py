"""The engines by their names in ``llm.engine``; docs/extending.md shows how one is added."""

from __future__ import annotations

from typing import Final

from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.engines.base import EngineKind
from hnlm_ray.llm.engines.http.kind import HTTP_KIND
from hnlm_ray.llm.engines.scripted import SCRIPTED_KIND
from hnlm_ray.llm.engines.vllm import VLLM_KIND

ENGINES: Final[dict[str, EngineKind]] = {
    "vllm": VLLM_KIND,
    "http": HTTP_KIND,
    "scripted": SCRIPTED_KIND,
}


def engine_kind(llm: LLMConfig) -> EngineKind:
    """Return what is known of the engine that a configuration names."""
    return ENGINES[llm.engine]
