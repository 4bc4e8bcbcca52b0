"""Optuna's tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), asked for one trial at a time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Final

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState

from hnlm_ray.config import CFConfig, ModelName
from hnlm_ray.methods.method import Choice, Int, LogUniform, Method, Range, Value
from hnlm_ray.methods.space_checks import value_at
from hnlm_ray.tune.job import Told
from hnlm_ray.tune.search.trial_configs import choose

_WORST: Final = 0.0
"""What a trial without a figure counts as: every metric is 0 or above, and the highest is the best."""


def suggest_by_tpe(
    base: CFConfig, method: Method, model: ModelName, told: Sequence[Told], seed: int
) -> dict[str, Value] | None:
    """Return the values of a method's next trial; none where no trial that was told has ended inside its space.

    A trial whose configuration lies outside (a first one of values that the space doesn't hold) teaches nothing.
    Running trials are told so that the next one keeps away from them.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    known = [found for one in sorted(told, key=lambda one: one.trial) if (found := _trial(base, method, model, one))]
    if not any(trial.state == TrialState.COMPLETE for trial in known):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=0
        )
        study = optuna.create_study(sampler=sampler, direction="maximize")
        study.add_trials(known)
        asked = study.ask()
        return choose(base, method, model, lambda key, _name, among: _ask(asked, key, among))


def _trial(base: CFConfig, method: Method, model: ModelName, told: Told) -> Any:  # noqa: ANN401  Optuna is untyped
    """Return what was told as a trial of Optuna's; none where its values lie outside of the space."""
    params, distributions, outside = dict[str, Value](), dict[str, Any](), list[str]()

    def see(key: str, name: str, among: Range) -> Value:
        value: Value = value_at(told.config, name)
        params[key], distributions[key] = value, _distribution(among)
        if not among.holds(value):
            outside.append(name)
        return value

    choose(base, method, model, see)
    if outside:
        return None
    if told.status == "running":
        return optuna.trial.create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)
    value = _WORST if told.value is None else told.value
    return optuna.trial.create_trial(value=value, params=params, distributions=distributions)


def _distribution(among: Range) -> Any:  # noqa: ANN401  Optuna is untyped
    if isinstance(among, Choice):
        return CategoricalDistribution(among.values)
    if isinstance(among, Int):
        return IntDistribution(among.low, among.high, log=among.log)
    return FloatDistribution(among.low, among.high, log=isinstance(among, LogUniform))


def _ask(asked: Any, key: str, among: Range) -> Value:  # noqa: ANN401  Optuna is untyped
    if isinstance(among, Choice):
        chosen: Value = asked.suggest_categorical(key, among.values)
        return chosen
    if isinstance(among, Int):
        return int(asked.suggest_int(key, among.low, among.high, log=among.log))
    return float(asked.suggest_float(key, among.low, among.high, log=isinstance(among, LogUniform)))
