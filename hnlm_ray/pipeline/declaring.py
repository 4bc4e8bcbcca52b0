"""What the declarations of stages share: functions named by text, resources, checks, and when a stage is wanted.

Also the values behind a fingerprint, beside the input tables; what is in none of them (concurrency, batch sizes, chunk
sizes) can change without redoing work.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.text import redacted
from hnlm_ray.config import Config
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.models import encoder_identity, encoder_path
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.methods.known import RunMethods, makes_negatives
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.stage import Bundle, Outcome, StageRun


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


def later(path: str) -> Callable[[StageRun], Outcome]:
    """Import a stage's function (``module:name``) when it runs: Ray and torch stay out of `hnlm status`."""

    def run(stage_run: StageRun) -> Outcome:
        module, name = path.split(":")
        return cast("Outcome", getattr(import_module(module), name)(stage_run))

    return run


def engines(config: Config) -> list[Bundle]:
    """Return the resources of all engines."""
    return [{"CPU": config.llm.cpus_per_engine, "GPU": config.llm.gpus_per_engine}] * config.llm.engines


def one_trial(config: Config) -> list[Bundle]:
    """Return the resources of one CF training."""
    return [{"CPU": config.tune.cpus_per_trial, "GPU": config.tune.gpus_per_trial}]


def judges(config: Config) -> bool:
    """Tell whether candidates are judged."""
    return config.evidence.judge


def tunes(config: Config) -> bool:
    """Tell whether the LLM is fine-tuned for negatives."""
    return config.finetune.enabled and makes_negatives(config)


def wants_all(config: Config) -> bool:
    """Tell whether stages run that no method reads anything of."""
    return config.stages == "all"


def check_answering_model(config: Config) -> None:
    """Refuse a model that is no checkpoint, where it runs here."""
    engine_kind(config.llm).check(config.llm)


def check_encoder(config: Config) -> None:
    """Refuse an encoder that is not there."""
    encoder_path(config.llm.encoder)


def check_event_files(config: Config) -> None:
    """Refuse event files where TensorBoard's writer can't write."""
    if config.tune.tensorboard and Workspace.open(config.workspace).local_path is None:
        raise InputError(
            f"tune.tensorboard writes local files and the workspace is {redacted(config.workspace)}: "
            "choose a local one, or set it to false"
        )
