"""Stages: trials (search, chosen on validation) and results (refits of the winners, test read once)."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from hnlm_ray.base.errors import InputError, StageError
from hnlm_ray.base.text import folded, shown
from hnlm_ray.cf import CFData
from hnlm_ray.cf.training.settings_read import reads_weights
from hnlm_ray.config import CFConfig, Config, TuneConfig
from hnlm_ray.methods.known import Compared, RunMethods, makes_negatives, nested_in, trials_of
from hnlm_ray.tune.data import load_cf_data
from hnlm_ray.tune.frontier.measure import write_frontier
from hnlm_ray.tune.job import FINISHED, Job
from hnlm_ray.tune.measures import (
    Counts,
    items_named,
    pool_false_negatives,
    random_false_negatives,
    text_false_negatives,
    write_guard_fits,
)
from hnlm_ray.tune.run.sweep import Sweep, reads_of_test
from hnlm_ray.tune.search.job_queue import ListedJobs, Searched, SearchedJobs
from hnlm_ray.tune.search.suggest import Suggestions, search_seed
from hnlm_ray.workspace import Rows
from hnlm_ray.workspace.stage import RETRIED_TRAININGS, Outcome, StageRun
from hnlm_ray.workspace.tables import LOST

log = logging.getLogger(__name__)


def searched_methods(config: Config, data: CFData) -> list[Searched]:
    """Return what is searched, a method each; InputError where the data lacks what one reads."""
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
    compared = RunMethods.of(config.tune).compared
    return [
        _searched(name, one, config, search, compared)
        for search in range(config.tune.searches)
        for name, one in compared.items()
    ]


def _searched(name: str, one: Compared, config: Config, search: int, compared: Mapping[str, Compared]) -> Searched:
    method, settings, seed = one.method, config.tune, search_seed(config.seed, search)
    return Searched(
        name,
        method.reads,
        Suggestions(method.name, config.cf, one.model, settings, seed),
        seed=seed,
        most=trials_of(method, settings),
        search=search,
        nests=nested_in(one, compared),
        learns=settings.search != "random",
    )


def _reject_unmade(config: Config, kind: str, made: object, sentence: str) -> None:
    if made is None and any(method.needs == kind for method in RunMethods.of(config.tune).chosen.values()):
        raise InputError(sentence)


def search(run: StageRun) -> Outcome:
    """Stage: interactions, negative_pool, item_profiles, teacher_items -> trials."""
    data = load_cf_data(run.config, run.workspace)
    if data.validation is None:
        raise InputError("there are no validation rows to choose by: set prepare.split.validation above 0")
    sweep = Sweep.open(run, "trials", data)
    settings = run.config.tune
    queue = SearchedJobs(
        searched_methods(run.config, data),
        cpu_seconds=settings.cpu_seconds,
        begun=sweep.begun,
    )
    rows = sweep.run_all(queue)
    counts = {**search_counts(settings, rows), **_without_weights(run.config, rows)}
    return replace(_outcome(rows), counts=counts)


def _without_weights(config: Config, rows: pa.Table) -> dict[str, str]:
    """Name the methods in whose trainings the repeats of a pair don't weigh, where they are to."""
    if config.prepare.repeats == "once":
        return {}
    settings = zip(rows["method"].to_pylist(), map(_settings, rows["config"].to_pylist()), strict=True)
    unread = sorted({method for method, one in settings if not reads_weights(one)})
    return {"repeats_do_not_weigh_in": ", ".join(unread)} if unread else {}


def search_counts(settings: TuneConfig, rows: pa.Table) -> dict[str, int | float | str | None]:
    """Return the budget that every method had, how many trials were ended early, and the methods without a winner."""
    budget = {"cpu_seconds_a_method": settings.cpu_seconds} if settings.cpu_seconds else {}
    statuses = list(zip(rows["method"].to_pylist(), rows["status"].to_pylist(), strict=True))
    finished = {method for method, status in statuses if status in FINISHED}
    failed = sorted({method for method, status in statuses if status != LOST} - finished)
    lost = sum(status == LOST for _, status in statuses)
    same = RunMethods.of(settings).same_by_facts
    return {
        "trials_a_method": settings.trials,
        **({"searches_a_method": settings.searches} if settings.searches > 1 else {}),
        **budget,
        **({"left_out_as_the_run_reads_facts": ", ".join(same)} if same else {}),
        **({"pruned": rows["status"].to_pylist().count("pruned")} if settings.stopping != "none" or budget else {}),
        **({"methods_all_of_whose_trials_failed": ", ".join(failed)} if failed else {}),
        **({"trials_lost_with_their_process": lost} if lost else {}),
    }


def refit_jobs(config: Config, trials: Sequence[dict[str, Any]]) -> list[Job]:
    """Return ``tune.seeds`` refits of each search's best trial by validation; no two searches share a seed."""
    metric, seeds = config.tune.metric, config.tune.seeds
    winners: dict[tuple[str, int], tuple[float, int, str]] = {}
    for row in trials:
        if row["status"] in FINISHED:
            key, value = (row["method"], row["search"]), dict(row["validation"])[metric]
            winners[key] = max(winners.get(key, (-1.0, 0, "")), (value, -row["trial"], row["config"]))
    compared = RunMethods.of(config.tune).compared
    return [
        Job(
            {"method": name, "search": search, "seed": seed},
            _settings(text),
            compared[name].method.reads,
            seed,
            reads_test=True,
        )
        for (name, search), (_, _, text) in sorted(winners.items())
        for seed in range(config.seed + 1 + search * seeds, config.seed + 1 + (search + 1) * seeds)
    ]


def _settings(text: str) -> CFConfig:
    return CFConfig.model_validate(json.loads(text))


def compare(run: StageRun) -> Outcome:
    """Stage: trials, interactions, negative_pool, item_profiles, teacher_items -> results, two tables beside it."""
    data = load_cf_data(run.config, run.workspace)
    if data.test is None:
        raise InputError("there are no test rows to compare on: set prepare.split.test above 0")
    jobs = refit_jobs(run.config, run.workspace.table("trials").read().to_pylist())
    if not jobs:
        raise StageError(none_finished(run.workspace.table("trials").read(["status", "error"])))
    rows = Sweep.open(run, "results", data).run_all(ListedJobs(jobs))
    write_guard_fits(run, data)
    frontier = write_frontier(run, data, rows)
    of_texts = _false_in_texts(run, data) if makes_negatives(run.config) else {}
    counts = {**pool_false_negatives(data), **of_texts, **random_false_negatives(data), **_repeated_reads(run, jobs)}
    return replace(_outcome(rows), counts={**counts, **frontier})


def none_finished(trials: pa.Table) -> str:
    """Return what the user is told where no trial came to a figure: the most frequent reason, and the way on."""
    reasons = Counter(folded(shown(error)) for error in trials["error"].to_pylist())
    (reason, count), total = reasons.most_common(1)[0], trials.num_rows
    again = any(status in RETRIED_TRAININGS for status in trials["status"].to_pylist())
    mended = "; once that is mended, `hnlm stage trials --retry failed` makes them again" if again else ""
    return (
        f"none of the {total} trials came to a figure, {count} of them by: {reason[:110]}; `hnlm failures --stage "
        f"trials` lists them{mended}"
    )


def _false_in_texts(run: StageRun, data: CFData) -> Counts:
    users, items = items_named(run.workspace.table("negative_pool"))
    return text_false_negatives(data, users, items)


def _repeated_reads(run: StageRun, jobs: Sequence[Job]) -> dict[str, int]:
    repeated = reads_of_test(run).repeated(jobs)
    if repeated:
        log.warning("test has been read before with other settings for %d refits", repeated)
    return {"refits_whose_test_was_read_with_other_settings_too": repeated} if repeated else {}


def _outcome(rows: pa.Table) -> Outcome:
    by_status = Counter(rows["status"].to_pylist())
    failed = {status: count for status, count in sorted(by_status.items()) if status not in FINISHED}
    finished = sum(by_status[status] for status in FINISHED)
    return Outcome(Rows(ok=finished, failed=sum(failed.values())), failed_by_reason=failed)
