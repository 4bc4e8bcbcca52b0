"""Stages that compare methods: searched on validation, then refitted and read on test once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import CFConfig, Config
from hnlm_ray.methods.known import RunMethods, compared_classes
from hnlm_ray.pipeline.declaring import check_event_files, item_text_content, later, one_trial, section
from hnlm_ray.tune.search.checks import check_search
from hnlm_ray.workspace.stage import Stage

_TUNE_CONTENT = ("methods", "models", "search", "searches", "trials", "cpu_seconds", "stopping", "metric", "cutoffs")


def _trials(config: Config) -> Mapping[str, object]:
    """Return every value that a training reads."""
    # tune.models and tune.methods decide over cf.model and cf.sampler
    keys = [key for key in CFConfig.model_fields if key not in {"model", "sampler"}]
    tune = (
        *_TUNE_CONTENT,
        *(("startup_trials",) if config.tune.search == "tpe" else ()),
        *(("grace_epochs",) if config.tune.stopping != "none" else ()),
    )
    searched = {**section(config, "cf", *keys), **section(config, "tune", *tune)}
    spaces, own = RunMethods.of(config.tune).content, compared_classes(config.tune)
    return {**searched, "spaces": spaces, **own, **item_text_content(config), "seed": config.seed}


def _check_search(config: Config) -> None:
    check_event_files(config)
    if not config.prepare.split.validation:
        raise InputError(
            "trials are chosen on validation rows, and there are none: set prepare.split.validation above 0"
        )
    compared = RunMethods.of(config.tune).chosen
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
    from hnlm_ray.tune.search.checks import rehearse

    rehearse(config)


_TRIALS = Stage(
    name="trials",
    purpose="Ray Tune searches every method with the same budget, on validation",
    inputs=(
        *("interactions", "users", "items", "reviews", "item_profiles", "user_profiles", "judgements"),
        *("teacher_users", "teacher_items", "negative_pool"),
    ),
    outputs=("trials",),
    depends_on=_trials,
    run=later("hnlm_ray.tune.stage:search"),
    resumes=True,
    bundles=one_trial,
    check=_check_search,
    version=6,
    cost="hnlm_ray.plan.estimate.stage_costs:TRIALS",
)


def _results(config: Config) -> Mapping[str, object]:
    """Return seeds, what is measured, and what the items' texts are read with."""
    return {**section(config, "tune", "seeds", "metric", "cutoffs"), **item_text_content(config), "seed": config.seed}


def _check_comparison(config: Config) -> None:
    check_event_files(config)
    split = config.prepare.split
    if split.method in {"random", "time"} and not split.test and split.test_from is None:
        raise InputError("methods are compared on test rows, and there are none: set prepare.split.test above 0")


_RESULTS = Stage(
    name="results",
    purpose="refits the winners with several seeds and reads test once",
    inputs=(
        *("trials", "interactions", "users", "items", "reviews", "item_profiles", "user_profiles", "judgements"),
        *("teacher_users", "teacher_items", "negative_pool"),
    ),
    outputs=("results", "false_negative_model", "frontier"),
    depends_on=_results,
    run=later("hnlm_ray.tune.stage:compare"),
    resumes=True,
    bundles=one_trial,
    check=_check_comparison,
    version=8,
    cost="hnlm_ray.plan.estimate.stage_costs:RESULTS",
)

COMPARING: Final = (_TRIALS, _RESULTS)
