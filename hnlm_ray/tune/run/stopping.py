"""Ending trials that fall behind, a method's search at a time: its trials are compared with no others."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule

from hnlm_ray.config import TuneConfig
from hnlm_ray.tune.job import FINISHED, Ending, Job, Row, TrainingKey
from hnlm_ray.tune.search.job_queue import JobQueue

Result = Mapping[str, Any]
REDUCTION: Final = 3
_STOP: Final[str] = FIFOScheduler.STOP
_CONTINUE: Final[str] = FIFOScheduler.CONTINUE


def open_rule(settings: TuneConfig, epochs: int) -> Any:  # noqa: ANN401  a scheduler of Ray's
    """Return the stopping rule of one method: Ray's own, by the epoch and the metric on validation."""
    grace = min(settings.grace_epochs, max(1, epochs))
    common = {"time_attr": "epoch", "metric": "value", "mode": "max", "grace_period": grace}
    if settings.stopping == "asha":
        return AsyncHyperBandScheduler(
            **common, max_t=max(1, epochs), reduction_factor=REDUCTION, stop_last_trials=False
        )
    if settings.stopping == "median":
        # An infinite slice: a trial is ended or goes on, and is never paused.
        return MedianStoppingRule(**common, min_time_slice=math.inf)
    return FIFOScheduler()


@dataclass(frozen=True)
class _Replayed:
    """Stands for a trial of an earlier run."""

    trial_id: str


class MethodStopping(FIFOScheduler):  # type: ignore[misc]  # Ray is untyped
    """Asks the rule of a trial's search whether it goes on, and the queue whether that search has CPU seconds left.

    Parameters
    ----------
    rule
        Makes the rule of a method; earlier trials are replayed into it (:meth:`replay`).

    Attributes
    ----------
    pruned
        Gets each trial that is ended early, with its row: nobody else writes it.
    """

    def __init__(self, rule: Callable[[], Any], queue: JobQueue, stopping: str) -> None:
        super().__init__()
        self._rule, self._queue, self._stopping = rule, queue, stopping
        self._rules: dict[tuple[str, int], Any] = {}
        self.pruned: Callable[[Job, Row], None]

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: object) -> bool:  # noqa: ARG002  Ray's interface
        """Take nothing over: the rules know what they compare."""
        return True

    def __getstate__(self) -> dict[str, Any]:
        """Stay out of Tune's own snapshots."""
        return {}

    def replay(self, training: TrainingKey, ending: Ending) -> None:
        """Show a trial of an earlier run to the rule of its search, as if it had run just now."""
        rule, trial = self._rule_of(training), _Replayed(training.part)
        rule.on_trial_add(None, trial)
        best = -math.inf
        for epoch, value in ending.points:
            best = max(best, value)
            if epoch < training.config.epochs:
                rule.on_trial_result(None, trial, {"epoch": epoch, "value": best})
        usable = ending.points and ending.status in FINISHED
        _complete(rule, None, trial, *((ending.points[-1][0], best) if usable else (0, math.nan)))

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401  Ray's interface
        """Tell the method's rule of a new trial."""
        self._rule_of(_job_of(trial)).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Result) -> str:  # noqa: ANN401  Ray's interface
        """Say whether a trial goes on; the last report of one that has ended is no question."""
        if "row" not in result:
            return _CONTINUE
        job, epoch = _job_of(trial), result["epoch"]
        has_seconds = self._queue.spend(job, result["cpu_seconds"])
        shown = {"epoch": epoch, "value": result["value"]}
        if self._rule_of(job).on_trial_result(tune_controller, trial, shown) == _STOP:
            self._end(job, result, f"ended by {self._stopping} after epoch {epoch}")
            return _STOP
        if not has_seconds:
            self._end(job, result, f"ended after epoch {epoch}: the CPU seconds of the method's search were used up")
            return _STOP
        return _CONTINUE

    def _end(self, job: Job, result: Result, why: str) -> None:
        self.pruned(job, json.loads(result["row"]) | {"status": "pruned", "error": why})

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: Result) -> None:  # noqa: ANN401  Ray's interface
        """Tell the method's rule of a trial's last figure."""
        rule = self._rule_of(_job_of(trial))
        _complete(rule, tune_controller, trial, result.get("epoch", 0), result.get("value", math.nan))

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401  Ray's interface
        """Tell the method's rule of a trial whose process died."""
        self._rule_of(_job_of(trial)).on_trial_error(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401  Ray's interface
        """Tell the method's rule of a trial that was taken away before it ran."""
        self._rule_of(_job_of(trial)).on_trial_remove(tune_controller, trial)

    def _rule_of(self, training: TrainingKey) -> Any:  # noqa: ANN401  a scheduler of Ray's
        key = training.name, training.search
        if key not in self._rules:
            self._rules[key] = self._rule()
        return self._rules[key]


def _complete(rule: Any, controller: Any, trial: Any, epoch: int, value: float) -> None:  # noqa: ANN401  Ray's
    if math.isnan(value):
        rule.on_trial_remove(controller, trial)
    else:
        rule.on_trial_complete(controller, trial, {"epoch": epoch, "value": value})


def _job_of(trial: Any) -> Job:  # noqa: ANN401  Ray's
    return Job.from_json(trial.config["job"])
