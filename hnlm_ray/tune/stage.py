"""Stages: trials (search, chosen on validation) and results (refits of the winners, test read once)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from hnlm_ray.cf import CFData
from hnlm_ray.config import CFConfig, Config, MethodName
from hnlm_ray.errors import InputError, StageError
from hnlm_ray.stage import Outcome, StageRun
from hnlm_ray.tune.data import load_cf_data
from hnlm_ray.tune.false_negatives import (
    items_named,
    pool_false_negatives,
    random_false_negatives,
    text_false_negatives,
)
from hnlm_ray.tune.methods import METHODS, Reads, method_of, result_name
from hnlm_ray.tune.spaces import sample_trials
from hnlm_ray.tune.training_row import Job
from hnlm_ray.tune.trainings import run_trainings
from hnlm_ray.workspace import Rows


def trial_jobs(config: Config, data: CFData) -> list[Job]:
    """Return the same number of trials for each method; all share one seed, so that they differ in method alone."""
    return [
        Job({"method": name, "trial": trial}, method, settings, config.seed, reads_test=False)
        for name, method in _methods(config, data).items()
        for trial, settings in enumerate(
            sample_trials(config.cf, method, _model(name), config.tune.trials, config.seed)
        )
    ]


def _model(name: str) -> Any:  # noqa: ANN401  one of ModelName's literals
    return name.partition("-")[0]


def _methods(config: Config, data: CFData) -> dict[str, MethodName]:
    _reject_unmade(
        config,
        "pool",
        data.pool,
        "the negative pool is empty, so methods of tune.methods that use it can't run: "
        "raise negatives.pairs_per_user, lower negatives.nearest_cosine, or leave these methods out",
    )
    _reject_unmade(
        config,
        "vectors",
        data.vectors,
        "no training pair has a vector, so methods of tune.methods that use them can't run: "
        "raise embeddings.pairs_per_user, or leave these methods out",
    )
    return {result_name(model, method): method for model in config.tune.models for method in config.tune.methods}


def _reject_unmade(config: Config, kind: Reads, made: object, sentence: str) -> None:
    if made is None and any(METHODS[method].reads.endswith(kind) for method in config.tune.methods):
        raise InputError(sentence)


def search(run: StageRun) -> Outcome:
    """Stage: interactions, negative_pool, item_profiles, teacher_items -> trials."""
    data = load_cf_data(run.config, run.workspace)
    if data.validation is None:
        raise InputError("there are no validation rows to choose by: set prepare.split.validation above 0")
    rows = run_trainings(run, "trials", data, trial_jobs(run.config, data))
    return _outcome(rows)


def refit_jobs(config: Config, trials: Sequence[dict[str, Any]]) -> list[Job]:
    """Return ``tune.seeds`` refits of each method's best trial by validation."""
    metric = config.tune.metric
    winners: dict[str, tuple[float, int, str]] = {}
    for row in trials:
        if row["status"] == "ok":
            value = dict(row["validation"])[metric]
            winners[row["method"]] = max(
                winners.get(row["method"], (-1.0, 0, "")), (value, -row["trial"], row["config"])
            )
    return [
        Job({"method": name, "seed": seed}, method_of(name), _settings(text), seed, reads_test=True)
        for name, (_, _, text) in sorted(winners.items())
        for seed in range(config.seed + 1, config.seed + 1 + config.tune.seeds)
    ]


def _settings(text: str) -> CFConfig:
    return CFConfig.model_validate(json.loads(text))


def compare(run: StageRun) -> Outcome:
    """Stage: trials, interactions, negative_pool, item_profiles, teacher_items -> results."""
    data = load_cf_data(run.config, run.workspace)
    if data.test is None:
        raise InputError("there are no test rows to compare on: set prepare.split.test above 0")
    jobs = refit_jobs(run.config, run.workspace.table("trials").read().to_pylist())
    if not jobs:
        raise StageError("all trials of all methods failed: see `hnlm status` and the errors in the trials table")
    outcome = _outcome(run_trainings(run, "results", data, jobs))
    users, items = items_named(run.workspace.table("negative_pool"))
    of_texts = text_false_negatives(data, users, items)
    return replace(outcome, counts={**pool_false_negatives(data), **of_texts, **random_false_negatives(data)})


def _outcome(rows: pa.Table) -> Outcome:
    by_status = Counter(rows["status"].to_pylist())
    failed = {status: count for status, count in sorted(by_status.items()) if status != "ok"}
    return Outcome(Rows(ok=by_status["ok"], failed=sum(failed.values())), failed_by_reason=failed)
