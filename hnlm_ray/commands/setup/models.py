"""``hnlm models fetch | list``."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rich.console import Console

from hnlm_ray.base.errors import InputError
from hnlm_ray.commands.output import Output, say
from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.models import (
    EMBEDDED,
    embedded_llm_folder,
    encoder_identity,
    encoder_path,
    fetch_models,
    http_identity,
    model_identity,
    model_path,
)


def fetch(output: Output) -> None:
    """Make the embedded LLM's checkpoint in the cache folder, unless it is there."""
    there = (embedded_llm_folder() / "config.json").is_file()
    folder = str(fetch_models())
    answer = {"folder": folder, "made": not there}
    verb = "is already in" if there else "was written to"
    output.emit(answer, lambda console: say(console, f"the embedded LLM {verb} {folder}"))


def list_models(llm: LLMConfig, output: Output) -> None:
    """Print the LLM and the encoder that a configuration uses, and whether they are there."""
    models = [
        _llm(llm),
        _describe("encoder", llm.encoder, encoder_identity, encoder_path),
    ]

    def show(console: Console) -> None:
        for model in models:
            say(console, f"{model['role']:<8} {model['identity'] or model['name']}  {_place(model)}")

    output.emit({"models": models}, show)


def _llm(llm: LLMConfig) -> dict[str, Any]:
    server = engine_kind(llm).server(llm)
    if server is not None:
        return _describe("llm", server.model, http_identity, lambda _: server.base_url)
    return _describe("llm", llm.model, model_identity, model_path)


def _describe(role: str, name: str, identify: Callable[[str], str], locate: Callable[[str], str]) -> dict[str, Any]:
    model: dict[str, Any] = {"role": role, "name": name, "identity": None, "path": None, "ready": False, "error": None}
    try:
        path = locate(name)
        present = os.path.isfile(os.path.join(path, "config.json"))
        model |= {"identity": identify(name), "path": path, "ready": present or name != EMBEDDED}
    except InputError as error:
        model["error"] = str(error)
    return model


def _place(model: dict[str, Any]) -> str:
    return str(model["error"] or model["path"])
