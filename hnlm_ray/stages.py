"""The pipeline, top to bottom: each stage with its tables and what its output depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast

from hnlm_ray.config import CFConfig, Config
from hnlm_ray.errors import InputError
from hnlm_ray.llm.models import check_model, encoder_identity, encoder_path, model_identity
from hnlm_ray.llm.prompts import load_prompt
from hnlm_ray.stage import Bundle, Outcome, Stage, StageRun

_LLM_CONTENT = ("engine", "dtype", "max_model_len", "temperature", "top_p", "max_attempts", "engine_kwargs")
_TUNE_CONTENT = ("methods", "models", "trials", "metric", "cutoffs")


def _later(path: str) -> Callable[[StageRun], Outcome]:
    """Import a stage's function when it runs: Ray and torch stay out of `hnlm status`."""

    def run(stage_run: StageRun) -> Outcome:
        module, name = path.split(":")
        return cast("Outcome", getattr(import_module(module), name)(stage_run))

    return run


def _section(config: Config, section: str, *keys: str) -> dict[str, Any]:
    values = getattr(config, section).model_dump(mode="json")
    return {section: {key: values[key] for key in keys} if keys else values}


def _llm(config: Config, prompt: str, section: str, *keys: str) -> dict[str, Any]:
    scripted = config.llm.engine == "scripted"
    extra = _section(config, "llm", "scripted") if scripted else {}
    model = "scripted" if scripted else model_identity(config.llm.model)
    llm = {"llm": {**_section(config, "llm", *_LLM_CONTENT)["llm"], **extra.get("llm", {}), "model": model}}
    return {**llm, **_section(config, section, *keys), "prompt": load_prompt(prompt).version, "seed": config.seed}


def _ingest(config: Config) -> Mapping[str, object]:
    from hnlm_ray.sources.ingest import source_identity

    return source_identity(config)


def _prepare(config: Config) -> Mapping[str, object]:
    return {**_section(config, "prepare"), "seed": config.seed}


def _item_profiles(config: Config) -> Mapping[str, object]:
    keys = ("item_max_tokens", "summary_chars", "reasoning_chars", "item_text_chars")
    return _llm(config, config.profiles.item_prompt, "profiles", *keys)


def _user_profiles(config: Config) -> Mapping[str, object]:
    keys = ("user_max_tokens", "summary_chars", "reasoning_chars", "user_history", "user_item_chars")
    return _llm(config, config.profiles.user_prompt, "profiles", *keys)


def _semantic_negatives(config: Config) -> Mapping[str, object]:
    keys = ("pairs_per_user", "max_tokens", "name_chars", "reasoning_chars", "profile_chars")
    return _llm(config, config.negatives.prompt, "negatives", *keys)


def _negative_pool(config: Config) -> Mapping[str, object]:
    keys = ("pool_size", "fuzzy_score", "nearest_cosine", "borrow")
    return {**_section(config, "negatives", *keys), "encoder": encoder_identity(config.llm.encoder)}


def _trials(config: Config) -> Mapping[str, object]:
    # tune.models and tune.methods decide over cf.model and cf.sampler
    keys = [key for key in CFConfig.model_fields if key not in {"model", "sampler"}]
    return {**_section(config, "cf", *keys), **_section(config, "tune", *_TUNE_CONTENT), "seed": config.seed}


def _results(config: Config) -> Mapping[str, object]:
    return {**_section(config, "tune", "seeds", "metric", "cutoffs"), "seed": config.seed}


def _engines(config: Config) -> list[Bundle]:
    return [{"CPU": config.llm.cpus_per_engine, "GPU": config.llm.gpus_per_engine}] * config.llm.engines


def _one_trial(config: Config) -> list[Bundle]:
    return [{"CPU": config.tune.cpus_per_trial, "GPU": config.tune.gpus_per_trial}]


def _check_model(config: Config) -> None:
    if config.llm.engine == "vllm":
        check_model(config.llm.model)


def _check_encoder(config: Config) -> None:
    encoder_path(config.llm.encoder)


def _check_search(config: Config) -> None:
    if not config.prepare.split.validation:
        raise InputError(
            "trials are chosen on validation rows, and there are none: set prepare.split.validation above 0"
        )
    pooled = [method for method in config.tune.methods if method.startswith("pool")]
    if pooled and not config.negatives.pairs_per_user:
        raise InputError(
            f"negatives.pairs_per_user is 0, so the pool of {', '.join(pooled)} would be empty: "
            "raise it, or leave these out of tune.methods"
        )


def _check_comparison(config: Config) -> None:
    if config.prepare.split.method == "random" and not config.prepare.split.test:
        raise InputError("methods are compared on test rows, and there are none: set prepare.split.test above 0")


STAGES: tuple[Stage, ...] = (
    Stage(
        name="ingest",
        purpose="reads the source's files",
        inputs=(),
        outputs=("raw_interactions", "raw_items", "rejected_lines"),
        depends_on=_ingest,
        run=_later("hnlm_ray.sources.ingest:ingest"),
    ),
    Stage(
        name="prepare",
        purpose="filters, k-core, index and split, on Ray Data",
        inputs=("raw_interactions", "raw_items"),
        outputs=("interactions", "users", "items"),
        depends_on=_prepare,
        run=_later("hnlm_ray.prepare.run:prepare_tables"),
    ),
    Stage(
        name="item_profiles",
        purpose="the LLM describes items",
        inputs=("items",),
        outputs=("item_profiles",),
        depends_on=_item_profiles,
        run=_later("hnlm_ray.profiles.items:write_item_profiles"),
        resumes=True,
        bundles=_engines,
        check=_check_model,
    ),
    Stage(
        name="user_profiles",
        purpose="the LLM describes users from their training items",
        inputs=("interactions", "items", "item_profiles"),
        outputs=("user_profiles",),
        depends_on=_user_profiles,
        run=_later("hnlm_ray.profiles.users:write_user_profiles"),
        resumes=True,
        bundles=_engines,
        check=_check_model,
    ),
    Stage(
        name="semantic_negatives",
        purpose="the LLM names hard negatives of training pairs",
        inputs=("interactions", "items", "item_profiles", "user_profiles"),
        outputs=("semantic_negatives",),
        depends_on=_semantic_negatives,
        run=_later("hnlm_ray.negatives.text:write_semantic_negatives"),
        resumes=True,
        bundles=_engines,
        check=_check_model,
    ),
    Stage(
        name="negative_pool",
        purpose="grounds the negatives in the catalogue",
        inputs=("interactions", "items", "semantic_negatives"),
        outputs=("negative_pool",),
        depends_on=_negative_pool,
        run=_later("hnlm_ray.negatives.pool:make_negative_pool"),
        check=_check_encoder,
    ),
    Stage(
        name="trials",
        purpose="Ray Tune searches every method with the same budget, on validation",
        inputs=("interactions", "users", "items", "negative_pool"),
        outputs=("trials",),
        depends_on=_trials,
        run=_later("hnlm_ray.tune.stage:search"),
        resumes=True,
        bundles=_one_trial,
        check=_check_search,
    ),
    Stage(
        name="results",
        purpose="refits the winners with several seeds and reads test once",
        inputs=("trials", "interactions", "users", "items", "negative_pool"),
        outputs=("results",),
        depends_on=_results,
        run=_later("hnlm_ray.tune.stage:compare"),
        resumes=True,
        bundles=_one_trial,
        check=_check_comparison,
    ),
)
