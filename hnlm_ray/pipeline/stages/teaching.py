"""Stages that teach the LLM what a hard negative is: from the CF teacher to the pool of grounded negatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hnlm_ray.config import CFConfig, Config, FinetuneConfig
from hnlm_ray.finetune.checkpoints import Checkpoints
from hnlm_ray.finetune.query import load_query
from hnlm_ray.llm.models import base_model, check_model, model_identity
from hnlm_ray.methods.known import makes_negatives, trained_classes
from hnlm_ray.pipeline.declaring import (
    check_encoder,
    encoder_content,
    engines,
    later,
    one_trial,
    section,
    tunes,
    wants_all,
)
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.folder import export_is_whole
from hnlm_ray.workspace.stage import Bundle, Stage

_FINETUNE_OPERATION = {
    *("enabled", "cpus_per_worker", "gpus_per_worker", "offload", "gradient_checkpointing"),
    *("checkpoint_every", "max_failures"),
}


def _teacher(config: Config) -> Mapping[str, object]:
    """Return the teacher's training, or the content of one's own embeddings; and what is mined with it."""
    values = section(config, "teacher")["teacher"]
    trained = _as_before(values.pop("cf"))
    path = values.pop("embeddings")
    if path is None:
        return {"teacher": {**values, "cf": trained}, **trained_classes(config.teacher.cf), "seed": config.seed}
    from hnlm_ray.teacher.own import own_identity

    return {"teacher": {**values, "embeddings": own_identity(path)}, "seed": config.seed}


def _as_before(trained: dict[str, Any]) -> dict[str, Any]:
    """Return a training's settings without those that say what was so before there was a setting for it.

    All that the LLM wrote after a teacher of before stays fresh where the configuration names that teacher's start.
    """
    found = {name: dict(value) if isinstance(value, dict) else value for name, value in trained.items()}
    if (found["init"], found["init_std"]) == ("normal", 0.1):
        del found["init"], found["init_std"]
    if found["adam"] == CFConfig().adam.model_dump(mode="json"):
        del found["adam"]
    if found["ials"]["init_std"] == 0.1:
        del found["ials"]["init_std"]
    if found["teacher"]["llm_profile"] == 0:
        del found["teacher"]["llm_profile"]
    del found["softmax"]["magnitude"]  # of what ranks; a teacher gives its embeddings as they are
    return found


def _check_teacher(config: Config) -> None:
    from hnlm_ray.teacher.own import check_teacher

    check_teacher(config)


_TEACHER = Stage(
    name="teacher",
    purpose="a CF model that supplies collaborative signals; hard negatives are mined with it",
    inputs=("interactions", "users", "items"),
    outputs=("teacher_users", "teacher_items", "mined_negatives"),
    depends_on=_teacher,
    run=later("hnlm_ray.teacher.stage:make_teacher"),
    bundles=one_trial,
    check=_check_teacher,
    enabled=tunes,
    cost="hnlm_ray.plan.estimate.stage_costs:TEACHER",
)


def _records(config: Config) -> Mapping[str, object]:
    """Return which records are drawn."""
    return {**section(config, "records"), "seed": config.seed}


_RECORDS = Stage(
    name="records",
    purpose="supervision records for the LLM, held out by user",
    inputs=("mined_negatives", "teacher_items", "interactions", "items", "item_profiles", "user_profiles"),
    outputs=("supervision_records",),
    depends_on=_records,
    run=later("hnlm_ray.finetune.records:make_records"),
    enabled=tunes,
    cost="hnlm_ray.plan.estimate.stage_costs:RECORDS",
)


def _finetune(config: Config) -> Mapping[str, object]:
    """Return everything that shapes the trained weights."""
    content = [name for name in FinetuneConfig.model_fields if name not in _FINETUNE_OPERATION]
    model = {"model": model_identity(base_model(config)), "query": load_query(config.finetune.query).version}
    settings = {**section(config, "finetune", *content)["finetune"], **model}
    return {"finetune": settings, "seed": config.seed}


def _trainers(config: Config) -> list[Bundle]:
    settings = config.finetune
    return [{"CPU": settings.cpus_per_worker, "GPU": settings.gpus_per_worker}] * settings.workers


def _check_base_model(config: Config) -> None:
    check_model(base_model(config))


def _forget_checkpoints(workspace: Workspace, fingerprint: str) -> None:
    Checkpoints.of(workspace, fingerprint).remove()


_FINETUNE = Stage(
    name="finetune",
    purpose="fine-tunes the LLM on the records, on Ray Train with DeepSpeed",
    inputs=("supervision_records", "teacher_users", "teacher_items"),
    outputs=("finetune_log", "finetuned_model"),
    depends_on=_finetune,
    run=later("hnlm_ray.finetune.stage:finetune"),
    version=2,
    resumes=True,
    bundles=_trainers,
    check=_check_base_model,
    enabled=tunes,
    intact=export_is_whole,
    tidy=_forget_checkpoints,
    cost="hnlm_ray.plan.estimate.stage_costs:FINETUNE",
)


def _finetune_eval(config: Config) -> Mapping[str, object]:
    """Return what the comparison is made with."""
    return {**encoder_content(config), "seed": config.seed}


def _one_engine(config: Config) -> list[Bundle]:
    return [{"CPU": config.llm.cpus_per_engine, "GPU": min(1, config.finetune.gpus_per_worker)}]


_FINETUNE_EVAL = Stage(
    name="finetune_eval",
    purpose="compares the fine-tuned LLM with what needs less, on held-out users",
    inputs=("finetuned_model", "supervision_records", "teacher_users", "teacher_items", "interactions"),
    outputs=("finetune_eval",),
    depends_on=_finetune_eval,
    run=later("hnlm_ray.finetune.evaluate.stage:evaluate_finetuned"),
    version=2,
    bundles=_one_engine,
    check=check_encoder,
    enabled=lambda config: tunes(config) and wants_all(config),
    cost="hnlm_ray.plan.estimate.stage_costs:FINETUNE_EVAL",
)


def _embeddings(config: Config) -> Mapping[str, object]:
    """Return which pairs are embedded, how exactly, and what is said of them."""
    texts = section(config, "records", "user_chars", "item_chars")
    return {**section(config, "embeddings"), **section(config, "llm", "engine_kwargs"), **texts, "seed": config.seed}


_EMBEDDINGS = Stage(
    name="embeddings",
    purpose="the fine-tuned LLM gives training pairs the vector of a hard negative",
    inputs=(
        *("interactions", "items", "item_profiles", "user_profiles"),
        *("teacher_users", "teacher_items", "finetuned_model"),
    ),
    outputs=("negative_embeddings",),
    depends_on=_embeddings,
    run=later("hnlm_ray.negatives.embedding:embed_negatives"),
    resumes=True,
    bundles=engines,
    enabled=tunes,
    cost="hnlm_ray.plan.estimate.stage_costs:EMBEDDINGS",
)


def _negative_pool(config: Config) -> Mapping[str, object]:
    """Return how negatives are grounded."""
    keys = ("pool_size", "fuzzy_score", "nearest_cosine", "nearest_weight", "borrow")
    return {**section(config, "negatives", *keys), **encoder_content(config)}


_NEGATIVE_POOL = Stage(
    name="negative_pool",
    purpose="grounds the negatives in the catalogue",
    inputs=(
        *("interactions", "items", "item_profiles", "semantic_negatives"),
        *("teacher_items", "negative_embeddings"),
    ),
    outputs=("negative_pool",),
    depends_on=_negative_pool,
    run=later("hnlm_ray.negatives.pool:make_negative_pool"),
    enabled=makes_negatives,
    check=check_encoder,
    cost="hnlm_ray.plan.estimate.stage_costs:NEGATIVE_POOL",
)

TEACHING: Final = (_TEACHER, _RECORDS, _FINETUNE, _FINETUNE_EVAL, _EMBEDDINGS, _NEGATIVE_POOL)
