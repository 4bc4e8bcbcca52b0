"""Parts of what a stage's output is made from, beside its input tables: the values behind its fingerprint.

What is in none of them (concurrency, batch sizes, chunk sizes) can change without redoing work.
"""

from __future__ import annotations

from typing import Any

from hnlm_ray.config import Config, LLMConfig
from hnlm_ray.llm.job import llm_identity
from hnlm_ray.llm.models import encoder_identity
from hnlm_ray.llm.prompts import load_prompt
from hnlm_ray.tune.methods import RunMethods

_LLM_CONTENT = ("engine", "dtype", "max_model_len", "temperature", "top_p", "max_attempts", "engine_kwargs")
_HTTP_LLM_CONTENT = ("engine", "temperature", "top_p", "max_attempts")
_HTTP_CONTENT = ("model", "structured", "extra")  # a server that moves elsewhere is the same server


def section(config: Config, name: str, *keys: str) -> dict[str, Any]:
    """Return a section of the configuration under its name: these keys of it, without any all."""
    values = getattr(config, name).model_dump(mode="json")
    return {name: {key: values[key] for key in keys} if keys else values}


def llm_content(config: Config, prompts: tuple[str, str], name: str, *keys: str) -> dict[str, Any]:
    """Return what an LLM stage's rows are made from: model, both prompts, keys of its section, and the seed."""
    llm = {"llm": {**_engine(config.llm), "model": llm_identity(config.llm)}}
    versions = dict(zip(("prompt", "simple_prompt"), (load_prompt(one).version for one in prompts), strict=True))
    return {**llm, **section(config, name, *keys), **versions, "seed": config.seed}


def _engine(llm: LLMConfig) -> dict[str, Any]:
    values = llm.model_dump(mode="json")
    if llm.engine == "http":
        server = {key: values["http"][key] for key in _HTTP_CONTENT}
        return {**{key: values[key] for key in _HTTP_LLM_CONTENT}, "http": server}
    scripted = ("scripted",) if llm.engine == "scripted" else ()
    return {key: values[key] for key in (*_LLM_CONTENT, *scripted)}


def encoder_content(config: Config) -> dict[str, Any]:
    """Return what encodes texts."""
    return {"encoder": encoder_identity(config.llm.encoder)}


def item_text_content(config: Config) -> dict[str, Any]:
    """Return what the items' texts are, and what encodes them; nothing where no method reads any."""
    methods = RunMethods.of(config.tune)
    if not methods.reads_text and not methods.reads_facts:
        return {}
    return {**encoder_content(config), "item_text": config.tune.item_text}
