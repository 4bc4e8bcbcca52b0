"""Which of the searched parameters decide whether a trial is among a method's best (Optuna's PED-ANOVA)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Final

from hnlm_ray.compare.search_points import Parameter, Point, label_of, searched

LEAST_TRIALS: Final = 20
BEST_SHARE: Final = 0.25
"""Of the trials: at least five of them, as PED-ANOVA asks for."""
Facts = dict[str, Any]


def importance(points: Sequence[Point]) -> Facts:
    """Return how much each searched parameter separates the best quarter of the trials from all.

    By PED-ANOVA (Watanabe et al., IJCAI 2023): it compares the values of the best trials with those of all
    trials of the search itself, so that it fits trials that a sampler chose as well.

    Returns
    -------
    dict
        ``shares``: parameter -> share, the largest first, together 1; empty where ``lacking`` says why.
    """
    lacking = _lacking(points)
    return {"trials": len(points), "shares": {} if lacking else _shares(points, searched(points)), "lacking": lacking}


def _lacking(points: Sequence[Point]) -> str | None:
    if len(points) < LEAST_TRIALS:
        return f"{len(points)} trials with a figure, it takes {LEAST_TRIALS}"
    if not searched(points):
        return "its trials differ in no parameter"
    if len({point.metric for point in points}) == 1:
        return "all trials have the same figure"
    return None


def _shares(points: Sequence[Point], parameters: Sequence[Parameter]) -> dict[str, float]:
    # Takes most of a second; only who asks for importances waits for it.
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    study.add_trials([_trial(point, parameters) for point in points])
    evaluator = PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        found = get_param_importances(study, evaluator=evaluator)
    ordered = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    return {name: float(share) for name, share in ordered}


def _trial(point: Point, parameters: Sequence[Parameter]) -> Any:  # noqa: ANN401  Optuna's FrozenTrial
    from optuna.trial import create_trial

    return create_trial(
        params={parameter.name: _value(point, parameter) for parameter in parameters},
        distributions={parameter.name: _distribution(parameter) for parameter in parameters},
        value=point.metric,
    )


def _value(point: Point, parameter: Parameter) -> Any:  # noqa: ANN401  what the parameter holds
    value = point.values[parameter.name]
    return label_of(value) if parameter.is_choice else float(value)


def _distribution(parameter: Parameter) -> Any:  # noqa: ANN401  Optuna is untyped
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if parameter.is_choice:
        return CategoricalDistribution([label_of(value) for value in parameter.values])
    return FloatDistribution(float(parameter.values[0]), float(parameter.values[-1]), log=parameter.is_log)
