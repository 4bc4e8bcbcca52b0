"""The pipeline, top to bottom: each stage with its tables and what its output depends on."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from hnlm_ray import stage_content as content
from hnlm_ray.config import Config
from hnlm_ray.errors import InputError
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.models import base_model, check_model, encoder_path
from hnlm_ray.redaction import redacted
from hnlm_ray.stage import Bundle, Outcome, Stage, StageRun
from hnlm_ray.tune.methods import makes_negatives, methods_of, reads_text
from hnlm_ray.tune.search_checks import check_search
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.exports import export_is_whole


def _later(path: str) -> Callable[[StageRun], Outcome]:
    """Import a stage's function when it runs: Ray and torch stay out of `hnlm status`."""

    def run(stage_run: StageRun) -> Outcome:
        module, name = path.split(":")
        return cast("Outcome", getattr(import_module(module), name)(stage_run))

    return run


def _engines(config: Config) -> list[Bundle]:
    return [{"CPU": config.llm.cpus_per_engine, "GPU": config.llm.gpus_per_engine}] * config.llm.engines


def _one_trial(config: Config) -> list[Bundle]:
    return [{"CPU": config.tune.cpus_per_trial, "GPU": config.tune.gpus_per_trial}]


def _trainers(config: Config) -> list[Bundle]:
    settings = config.finetune
    return [{"CPU": settings.cpus_per_worker, "GPU": settings.gpus_per_worker}] * settings.workers


def _one_engine(config: Config) -> list[Bundle]:
    return [{"CPU": config.llm.cpus_per_engine, "GPU": min(1, config.finetune.gpus_per_worker)}]


def _describes_items(config: Config) -> bool:
    reads_profiles = reads_text(config.tune) and config.tune.item_text == "profiles"
    return makes_negatives(config) or reads_profiles or _judges(config)


def _describes_users(config: Config) -> bool:
    return makes_negatives(config) or _judges(config)


def _judges(config: Config) -> bool:
    return config.evidence.judge


def _is_on(config: Config) -> bool:
    return config.finetune.enabled and makes_negatives(config)


def _all_are_wanted(config: Config) -> bool:
    return config.stages == "all"


def _check_model(config: Config) -> None:
    engine_kind(config.llm).check(config.llm)


def _check_base_model(config: Config) -> None:
    check_model(base_model(config))


def _check_teacher(config: Config) -> None:
    from hnlm_ray.teacher.own import check_teacher

    check_teacher(config)


def _check_encoder(config: Config) -> None:
    encoder_path(config.llm.encoder)


def _check_search(config: Config) -> None:
    _check_trainings(config)
    if not config.prepare.split.validation:
        raise InputError(
            "trials are chosen on validation rows, and there are none: set prepare.split.validation above 0"
        )
    compared = methods_of(config.tune)
    pooled = [name for name, method in compared.items() if method.needs == "pool"]
    if pooled and not config.makes_pool:
        raise InputError(
            f"negatives.pairs_per_user is 0, so the pool of {', '.join(pooled)} would be empty: "
            "raise it, or leave these out of tune.methods"
        )
    judging = [name for name, method in compared.items() if method.needs == "evidence"]
    if judging and not config.evidence.judge:
        raise InputError(
            f"nothing is judged, which {', '.join(judging)} need: set evidence.judge to true, or leave these out of "
            "tune.methods"
        )
    adapted = [name for name, method in compared.items() if method.needs == "vectors"]
    if adapted and not config.makes_vectors:
        raise InputError(
            f"no pair gets a vector, which {', '.join(adapted)} need: set finetune.enabled and "
            "embeddings.pairs_per_user, or leave these out of tune.methods"
        )
    check_search(config)
    # It needs torch, which takes seconds to import.
    from hnlm_ray.tune.rehearsal import rehearse

    rehearse(config)


def _check_trainings(config: Config) -> None:
    """Refuse event files where TensorBoard's writer can't write."""
    if config.tune.tensorboard and Workspace.open(config.workspace).local_path is None:
        raise InputError(
            f"tune.tensorboard writes local files and the workspace is {redacted(config.workspace)}: "
            "choose a local one, or set it to false"
        )


def _check_comparison(config: Config) -> None:
    _check_trainings(config)
    if config.prepare.split.method == "random" and not config.prepare.split.test:
        raise InputError("methods are compared on test rows, and there are none: set prepare.split.test above 0")


STAGES: tuple[Stage, ...] = (
    Stage(
        name="ingest",
        purpose="reads the source's files",
        inputs=(),
        outputs=("raw_interactions", "raw_items", "rejected_lines"),
        depends_on=content.ingest,
        run=_later("hnlm_ray.sources.ingest:ingest"),
        version=2,
    ),
    Stage(
        name="prepare",
        purpose="filters, k-core, index and split, on Ray",
        inputs=("raw_interactions", "raw_items"),
        outputs=("interactions", "users", "items", "reviews"),
        depends_on=content.prepare,
        run=_later("hnlm_ray.prepare.run:prepare_tables"),
        version=2,
    ),
    Stage(
        name="item_profiles",
        purpose="the LLM describes items",
        inputs=("items", "reviews"),
        outputs=("item_profiles",),
        depends_on=content.item_profiles,
        run=_later("hnlm_ray.profiles.items:write_item_profiles"),
        enabled=_describes_items,
        resumes=True,
        bundles=_engines,
        check=_check_model,
    ),
    Stage(
        name="user_profiles",
        purpose="the LLM describes users from their training items",
        inputs=("interactions", "items", "reviews", "item_profiles"),
        outputs=("user_profiles",),
        depends_on=content.user_profiles,
        run=_later("hnlm_ray.profiles.users:write_user_profiles"),
        enabled=_describes_users,
        resumes=True,
        bundles=_engines,
        check=_check_model,
    ),
    Stage(
        name="candidates",
        purpose="finds hard candidates on which the false-negative model is not sure",
        inputs=("interactions", "users", "items", "reviews", "item_profiles", "user_profiles"),
        outputs=("candidates",),
        depends_on=content.candidates,
        run=_later("hnlm_ray.evidence.candidates:find_candidates"),
        enabled=_judges,
        enabled_by="evidence.judge=true",
        bundles=_one_trial,
        check=_check_encoder,
    ),
    Stage(
        name="judgements",
        purpose="the LLM judges which candidates a user would want",
        inputs=("interactions", "items", "item_profiles", "user_profiles", "candidates"),
        outputs=("judgements",),
        depends_on=content.judgements,
        run=_later("hnlm_ray.evidence.stage:judge"),
        enabled=_judges,
        enabled_by="evidence.judge=true",
        resumes=True,
        bundles=_engines,
        check=_check_model,
    ),
    Stage(
        name="semantic_negatives",
        purpose="the LLM names hard negatives of training pairs",
        inputs=("interactions", "items", "item_profiles", "user_profiles"),
        outputs=("semantic_negatives",),
        depends_on=content.semantic_negatives,
        run=_later("hnlm_ray.negatives.text:write_semantic_negatives"),
        enabled=makes_negatives,
        resumes=True,
        bundles=_engines,
        check=_check_model,
    ),
    Stage(
        name="teacher",
        purpose="a CF model that supplies collaborative signals; hard negatives are mined with it",
        inputs=("interactions", "users", "items"),
        outputs=("teacher_users", "teacher_items", "mined_negatives"),
        depends_on=content.teacher,
        run=_later("hnlm_ray.teacher.stage:make_teacher"),
        bundles=_one_trial,
        check=_check_teacher,
        enabled=_is_on,
    ),
    Stage(
        name="records",
        purpose="supervision records for the LLM, held out by user",
        inputs=("mined_negatives", "teacher_items", "interactions", "items", "item_profiles", "user_profiles"),
        outputs=("supervision_records",),
        depends_on=content.records,
        run=_later("hnlm_ray.finetune.records:make_records"),
        enabled=_is_on,
    ),
    Stage(
        name="finetune",
        purpose="fine-tunes the LLM on the records, on Ray Train with DeepSpeed",
        inputs=("supervision_records", "teacher_users", "teacher_items"),
        outputs=("finetune_log", "finetuned_model"),
        depends_on=content.finetune,
        run=_later("hnlm_ray.finetune.stage:finetune"),
        version=2,
        resumes=True,
        bundles=_trainers,
        check=_check_base_model,
        enabled=_is_on,
        intact=export_is_whole,
    ),
    Stage(
        name="finetune_eval",
        purpose="compares the fine-tuned LLM with what needs less, on held-out users",
        inputs=("finetuned_model", "supervision_records", "teacher_users", "teacher_items", "interactions"),
        outputs=("finetune_eval",),
        depends_on=content.finetune_eval,
        run=_later("hnlm_ray.finetune.eval_stage:evaluate_finetuned"),
        version=2,
        bundles=_one_engine,
        check=_check_encoder,
        enabled=lambda config: _is_on(config) and _all_are_wanted(config),
    ),
    Stage(
        name="embeddings",
        purpose="the fine-tuned LLM gives training pairs the vector of a hard negative",
        inputs=(
            *("interactions", "items", "item_profiles", "user_profiles"),
            *("teacher_users", "teacher_items", "finetuned_model"),
        ),
        outputs=("negative_embeddings",),
        depends_on=content.embeddings,
        run=_later("hnlm_ray.negatives.embedding:embed_negatives"),
        resumes=True,
        bundles=_engines,
        enabled=_is_on,
    ),
    Stage(
        name="negative_pool",
        purpose="grounds the negatives in the catalogue",
        inputs=(
            *("interactions", "items", "item_profiles", "semantic_negatives"),
            *("teacher_items", "negative_embeddings"),
        ),
        outputs=("negative_pool",),
        depends_on=content.negative_pool,
        run=_later("hnlm_ray.negatives.pool:make_negative_pool"),
        enabled=makes_negatives,
        check=_check_encoder,
    ),
    Stage(
        name="trials",
        purpose="Ray Tune searches every method with the same budget, on validation",
        inputs=(
            *("interactions", "users", "items", "reviews", "item_profiles", "user_profiles", "judgements"),
            *("teacher_users", "teacher_items", "negative_pool"),
        ),
        outputs=("trials",),
        depends_on=content.trials,
        run=_later("hnlm_ray.tune.stage:search"),
        resumes=True,
        bundles=_one_trial,
        check=_check_search,
        version=6,
    ),
    Stage(
        name="results",
        purpose="refits the winners with several seeds and reads test once",
        inputs=(
            *("trials", "interactions", "users", "items", "reviews", "item_profiles", "user_profiles", "judgements"),
            *("teacher_users", "teacher_items", "negative_pool"),
        ),
        outputs=("results", "false_negative_model", "frontier"),
        depends_on=content.results,
        run=_later("hnlm_ray.tune.stage:compare"),
        resumes=True,
        bundles=_one_trial,
        check=_check_comparison,
        version=8,
    ),
    Stage(
        name="final_model",
        purpose="trains the method that is best on validation once more, to recommend with",
        inputs=(
            *("trials", "results", "interactions", "users", "items", "reviews", "item_profiles"),
            *("user_profiles", "judgements"),
            *("teacher_items", "negative_pool"),
        ),
        outputs=("model_users", "model_items"),
        depends_on=content.final_model,
        run=_later("hnlm_ray.recommend.final_model:train_final_model"),
        enabled=_all_are_wanted,
        bundles=_one_trial,
    ),
    Stage(
        name="recommendations",
        purpose="the best unseen items of every user",
        inputs=("model_users", "model_items", "interactions"),
        outputs=("recommendations",),
        depends_on=content.recommendations,
        run=_later("hnlm_ray.recommend.lists:recommend_to_all"),
        enabled=_all_are_wanted,
        resumes=True,
        bundles=_one_trial,
    ),
)
