"""What a study found, in sentences that say of methods only what was found of methods.

Whose merit a gain is, they don't say: that is each run's own headline (:mod:`hnlm_ray.compare.verdict`).
"""

from __future__ import annotations

from typing import Final

from hnlm_ray.study.claims.answer import Better, JudgedClaim, PooledComparison, RunAnswer
from hnlm_ray.study.claims.differences import LEVEL

LEAST_P: Final = 0.0001
_TOLD: Final = ("holds", "does not hold")


def p_in_words(value: float) -> str:
    """Write a p value, which is never 0."""
    return f"below {LEAST_P}" if value < LEAST_P else f"{value:.4f}"


def claim_verdict(claim: JudgedClaim) -> str:
    """Return a claim's verdict, and where it was told of configurations alone, that it was."""
    of_configurations = claim["speaks_of"] == "configurations" and claim["verdict"] in _TOLD
    return f"{claim['verdict']} for these configurations" if of_configurations else claim["verdict"]


def above(better: Better, metric: str) -> str:
    """Say what is above the best classical method of a run, and by how much."""
    by = f"by {better['difference']:.4f} {metric}"
    if better["speaks_of"] == "methods":
        return f"{better['method']} beats {better['against']} {by}"
    return f"these configurations: {better['method']} is above {better['against']} {by}"


def headlines(run: RunAnswer) -> list[str]:
    """Return a run's headline; none where no method with texts was compared, of which it could speak."""
    return [] if run["finding"]["outcome"] == "unknown" else [run["headline"]]


def over_datasets(comparison: PooledComparison) -> str:
    """Say what a comparison pooled over data sets found (:mod:`hnlm_ray.study.pooled`)."""
    low, high = comparison["ci95"]
    figures = f"{comparison['relative']:+.1%} [{low:+.1%}, {high:+.1%}], p (Holm) {p_in_words(comparison['p_holm'])}"
    return f"{comparison['method']} {_relation(comparison)} the best classical method: {figures}"


def _relation(comparison: PooledComparison) -> str:
    if comparison["p_holm"] >= LEVEL:
        return "can't be told apart from"
    return "beats" if comparison["relative"] > 0 else "is worse than"
