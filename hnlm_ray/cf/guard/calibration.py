"""How good the false-negative model is on pairs that it was not fitted on: reliability, AUC, and each group's part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.guard.logits import chosen_groups, fit_model
from hnlm_ray.cf.guard.questions import Questions, ask
from hnlm_ray.config.cf_parts import BeliefConfig

FOLDS: Final = 5
BINS: Final = 10


@dataclass(frozen=True)
class Bin:
    """A tenth of the questions, by the probability that the model gives: mean of it, share of positives, how many."""

    predicted: float
    observed: float
    questions: int


@dataclass(frozen=True)
class Fit:
    """A model with some groups of features, measured out of fold.

    Attributes
    ----------
    features
        'all', 'without text', 'text alone' and the like.
    auc
        How often a held-out positive is believed in more than a uniform item, of whichever user.
    log_loss
        Mean of -log p of the answers, in nats.
    """

    features: str
    auc: float
    log_loss: float
    bins: tuple[Bin, ...]


def measure_fits(data: CFData, features: str, belief: BeliefConfig, seed: int) -> tuple[Fit, ...]:
    """Return the fit with all features, and those without each group and with each alone, by 5 folds of users.

    Answers are training positives held out and uniform items, 20 for each: probabilities are of that mixture. The
    LLM's verdicts, whose weight is not fitted, are no feature. Validation and test are never read.

    Raises
    ------
    InputError
        As :func:`~hnlm_ray.cf.guard.logits.fit_false_negatives`.
    """
    questions = ask(data, chosen_groups(features, belief), seed)
    of = [name.partition(".")[0] for name in questions.names]
    groups = list(dict.fromkeys(of))
    wanted = {"all": set(groups)}
    if len(groups) > 1:
        wanted |= {f"without {group}": set(groups) - {group} for group in groups}
        wanted |= {f"{group} alone": {group} for group in groups}
    return tuple(
        _measured(name, _part(questions, [column in kept for column in of]), belief, seed)
        for name, kept in wanted.items()
    )


def _part(questions: Questions, columns: list[bool]) -> Questions:
    names = tuple(name for name, kept in zip(questions.names, columns, strict=True) if kept)
    return replace(questions, names=names, features=np.ascontiguousarray(questions.features[:, columns]))


def _measured(name: str, questions: Questions, belief: BeliefConfig, seed: int) -> Fit:
    logits = _out_of_fold(questions, belief, seed)
    answers = questions.answers
    losses = np.logaddexp(0, np.where(answers, -logits, logits))
    return Fit(name, area_under_curve(logits, answers), float(losses.mean()), _bins(logits, answers))


def _out_of_fold(questions: Questions, belief: BeliefConfig, seed: int) -> NDArray[np.float64]:
    """Return the logit of each question by a model that was fitted on other users, float64[n].

    Each user's fold is drawn by itself: scikit-learn's ``GroupKFold`` refuses fewer users than folds.
    """
    _, user = np.unique(questions.users, return_inverse=True)
    fold = np.random.default_rng(seed).integers(FOLDS, size=int(user.max()) + 1)[user]
    logits = np.zeros(len(fold))
    for number in range(FOLDS):
        mine = fold == number
        others = replace(
            questions,
            users=questions.users[~mine],
            features=questions.features[~mine],
            answers=questions.answers[~mine],
        )
        if mine.any() and others.answers.any():
            logits[mine] = fit_model(others, belief, seed).logits(questions.features[mine])
    return logits


def area_under_curve(scores: NDArray[np.float64], answers: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve of float[n] for bool[n]; ties count half, NaN where there is one answer."""
    from sklearn.metrics import roc_auc_score

    if answers.all() or not answers.any():
        return float("nan")
    return float(roc_auc_score(answers, scores))


def _bins(logits: NDArray[np.float64], answers: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Return ten bins of equal size by probability, fewer of few questions.

    scikit-learn's ``calibration_curve`` cuts at quantiles, so equal probabilities make fewer bins, and tells no sizes.
    """
    probability = 1 / (1 + np.exp(-logits))
    parts = [part for part in np.array_split(np.argsort(probability, kind="stable"), BINS) if len(part)]
    return tuple(Bin(float(probability[part].mean()), float(answers[part].mean()), len(part)) for part in parts)
