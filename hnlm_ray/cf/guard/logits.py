"""The false-negative model: how likely an unobserved item is a positive that has not been seen yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.guard.features import GROUPS, PairFeatures, standardised
from hnlm_ray.cf.guard.questions import Questions, ask, blocks
from hnlm_ray.cf.guard.regression import Network, Regression, fit_network, fit_regression
from hnlm_ray.config.cf_parts import BeliefConfig

DEFAULTS = BeliefConfig()
Rows = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FalseNegatives:
    """A fitted false-negative model and the features of all of train."""

    model: Regression | Network
    known: PairFeatures
    verdict: float

    def logits(self, users: slice) -> Rows:
        """Return the log-odds that an item is a positive not seen yet, float32[n, items], by the fitted model alone.

        0 is even odds among a held-out positive's 20 uniform items; what stands at training positives means nothing.
        """
        return self.model.logits(self.known.rows(users))

    def beliefs(self, users: slice) -> Rows:
        """Return g, float32[n, items]: logits standardised in each row over the unobserved, plus the LLM's verdicts.

        The verdicts (1 wanted, -1 not) count ``verdict`` each: no training positive is judged, so their weight can't be
        fitted on training positives. Training positives are 0.
        """
        free = self.known.unobserved(users)
        g = standardised(self.logits(users), free)
        judged = self.known.data.judgements
        if judged is not None and self.verdict:
            g += self.verdict * judged.rows(np.arange(users.start, users.stop), self.known.items) * free
        return g


def chosen_groups(features: str, belief: BeliefConfig) -> tuple[str, ...]:
    """Return the groups of features that settings name."""
    return tuple(group for group in GROUPS[features] if group != "popularity" or belief.popularity)


def fit_model(questions: Questions, belief: BeliefConfig, seed: int) -> Regression | Network:
    """Fit what ``belief.model`` names to some questions."""
    if belief.model == "mlp":
        return fit_network(questions.features, questions.answers, seed)
    return fit_regression(questions.features, questions.answers)


def fit_false_negatives(data: CFData, features: str, seed: int, belief: BeliefConfig = DEFAULTS) -> FalseNegatives:
    """Fit the model on cross-fitted training positives (:func:`~hnlm_ray.cf.guard.questions.ask`).

    Then the features are computed again on all of train. Validation and test are never read.

    Parameters
    ----------
    features
        'cf', 'text' or 'full': all that the data has.
    seed
        Of the held-out pairs and their unobserved items.

    Raises
    ------
    InputError
        No text with 'text' or 'full', or no training pair whose user has an unobserved item.
    """
    groups = chosen_groups(features, belief)
    model = fit_model(ask(data, groups, seed), belief, seed)
    return FalseNegatives(model, PairFeatures(data.train, data, groups), belief.verdict)


def false_negative_logits(data: CFData, features: str, seed: int) -> NDArray[np.float16]:
    """Return the beliefs of all users, float16[users, items]; see :func:`fit_false_negatives`."""
    found = fit_false_negatives(data, features, seed)
    return np.concatenate([found.beliefs(users).astype(np.float16) for users in blocks(data)])
