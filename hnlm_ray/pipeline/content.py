"""Parts of what a stage's output is made from, beside its input tables: the values behind its fingerprint.

What is in none of them (concurrency, batch sizes, chunk sizes) can change without redoing work.
"""

from __future__ import annotations

from typing import Any

from hnlm_ray.config import Config
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.models import encoder_identity
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.methods.known import RunMethods


def section(config: Config, name: str, *keys: str) -> dict[str, Any]:
    """Return a section of the configuration under its name: these keys of it, without any all."""
    values = getattr(config, name).model_dump(mode="json")
    return {name: {key: values[key] for key in keys} if keys else values}


def llm_content(config: Config, prompts: tuple[str, str], name: str, *keys: str) -> dict[str, Any]:
    """Return what an LLM stage's rows are made from: model, both prompts, keys of its section, and the seed."""
    kind = engine_kind(config.llm)
    repair = {"repair_json": True} if config.llm.repair_json else {}  # without it as before there was this setting
    llm = {"llm": {**kind.content(config.llm), **repair, "model": kind.identity(config.llm)}}
    versions = dict(zip(("prompt", "simple_prompt"), (load_prompt(one).version for one in prompts), strict=True))
    return {**llm, **section(config, name, *keys), **versions, "seed": config.seed}


def encoder_content(config: Config) -> dict[str, Any]:
    """Return what encodes texts."""
    return {"encoder": encoder_identity(config.llm.encoder)}


def item_text_content(config: Config) -> dict[str, Any]:
    """Return what the items' texts are, and what encodes them; nothing where no method reads any."""
    methods = RunMethods.of(config.tune)
    if not methods.reads_text and not methods.reads_facts:
        return {}
    return {**encoder_content(config), "item_text": config.tune.item_text}
