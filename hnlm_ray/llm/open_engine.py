"""Which engine a configuration names."""

from __future__ import annotations

from hnlm_ray.config import LLMConfig
from hnlm_ray.errors import HnlmError, StageError
from hnlm_ray.llm.engine import TextEngine
from hnlm_ray.llm.models import model_on_this_node
from hnlm_ray.llm.scripted_engine import ScriptedEngine
from hnlm_ray.workspace.folder import named


def open_engine(llm: LLMConfig, seed: int) -> TextEngine:
    """Start the engine of a configuration.

    Raises
    ------
    InputError
        When a server's key is not in the environment.
    StageError
        When vLLM can't start: its own errors (of damaged weights: a MemoryError) don't say what to look at.
    """
    if llm.engine == "scripted":
        return ScriptedEngine(llm.scripted)
    if llm.http is not None and llm.engine == "http":
        from hnlm_ray.llm.http_engine import HttpEngine

        return HttpEngine(llm, llm.http, seed)
    from hnlm_ray.llm.vllm_engine import VLLMEngine

    try:
        return VLLMEngine(llm, model_on_this_node(llm.model), seed)
    except HnlmError:
        raise
    except Exception as error:
        raise StageError(
            f"vLLM can't start with llm.model '{llm.model}' ({named(error)}): check the checkpoint's files, llm.dtype, "
            "llm.max_model_len and the memory; the log has vLLM's own words"
        ) from error
