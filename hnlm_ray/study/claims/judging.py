"""The paper's claims, each with a verdict, corrected over all tests of all claims of a study.

What holds is told by p with Holm's correction, what does not hold by simultaneous intervals (Bonferroni): by intervals
of 95% each, a claim that is true at the margin would be refuted in a third of studies with 20 tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from hnlm_ray.compare.method_rows import Scope
from hnlm_ray.compare.significance import holm
from hnlm_ray.config.study import ClaimName
from hnlm_ray.study.claims.answer import ClaimTest, JudgedClaim
from hnlm_ray.study.claims.convergence import convergence
from hnlm_ray.study.claims.differences import Difference, Tested
from hnlm_ray.study.claims.false_negatives import false_negatives
from hnlm_ray.study.claims.generalisation import generalisation
from hnlm_ray.study.claims.popularity import popularity
from hnlm_ray.study.claims.semantic import semantic
from hnlm_ray.study.claims.sparsity import sparsity
from hnlm_ray.study.finished import FinishedRun

CLAIMS: Final[dict[ClaimName, Callable[[Sequence[FinishedRun]], Tested]]] = {
    "semantic": semantic,
    "sparsity": sparsity,
    "popularity": popularity,
    "false_negatives": false_negatives,
    "convergence": convergence,
    "generalisation": generalisation,
}
_OVER_VARIANTS: Final = {"sparsity", "generalisation"}
"""Claims about several variants of a data set; the others are about the first one."""
NOT_TESTED: Final = "not tested"


def judge_claims(names: Sequence[ClaimName], runs: Sequence[FinishedRun], first_variant: str) -> list[JudgedClaim]:
    """Return each claim with its verdict, tests, figures, and what is lacking or would be needed."""
    first = [run for run in runs if run.variant == first_variant]
    tested = [CLAIMS[name](runs if name in _OVER_VARIANTS else first) for name in names]
    p_values = [one.p for claim in tested for one in claim.differences]
    corrected = iter(holm(p_values))
    return [_judged(claim, corrected, len(p_values)) for claim in tested]


def _judged(claim: Tested, corrected: Iterator[float], count: int) -> JudgedClaim:
    tests = [_test(one, next(corrected), count) for one in claim.differences]
    verdict = verdict_of([test["outcome"] for test in tests])
    if verdict == "holds" and claim.unproven:
        verdict = "can't be told"
    return {
        "name": claim.name,
        "claim": claim.claim,
        "verdict": verdict,
        "speaks_of": _scope(claim),
        "needed": _needed(claim, count) if verdict == "can't be told" else None,
        "tests": tests,
        "figures": [dict(row) for row in claim.figures],
        "lacking": list(claim.lacking) or ([] if tests else ["no run of this study is finished"]),
    }


def _scope(claim: Tested) -> Scope | None:
    """Return what all its tests speak of: methods, or where one does not, configurations; none without a test."""
    if not claim.differences:
        return None
    return "methods" if all(one.speaks_of == "methods" for one in claim.differences) else "configurations"


def _test(one: Difference, p_holm: float, count: int) -> ClaimTest:
    return {
        "about": one.about,
        "unit": one.unit,
        "difference": one.difference,
        "ci95": list(one.ci95),
        "simultaneous_ci95": list(one.simultaneous(count)),
        "base": one.base,
        "p": one.p,
        "p_holm": p_holm,
        "speaks_of": one.speaks_of,
        "outcome": one.outcome(p_holm, count),
    }


def verdict_of(outcomes: Sequence[str]) -> str:
    """Return what the tests say together: one that does not hold refutes a claim, and all must hold to prove it."""
    if not outcomes:
        return NOT_TESTED
    if "does not hold" in outcomes:
        return "does not hold"
    return "holds" if set(outcomes) == {"holds"} else "can't be told"


def _needed(claim: Tested, count: int) -> str:
    if claim.unproven:
        return claim.unproven
    times = max(one.needed(count) for one in claim.differences)
    if not math.isfinite(times):
        return "figures above 0: where all are 0 there is nothing to compare"
    if times == 1:
        return "more searches, seeds or test users: so few agree by chance now and then"
    more = "test users and searches (or seeds, of a single search)"
    return f"about {times:,.1f} times as many {more}, if the differences stay as they are"
