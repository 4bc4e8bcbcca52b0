"""What a study's answer holds: the JSON of ``hnlm study``, described in ``docs/commands.md``.

A method's figures, and those that are named after the study's metric, come as they are from a run's comparison.
"""

from __future__ import annotations

from typing import Any, TypedDict

from hnlm_ray.compare.method_rows import Scope
from hnlm_ray.config.study import ClaimName
from hnlm_ray.study.claims.differences import Outcome

Figures = dict[str, Any]


class RunAnswer(TypedDict):
    """A finished run: its methods against its best classical one."""

    dataset: str
    variant: str
    sizes: dict[str, int]
    train_share: float
    content: str
    best_classical: str | None
    failed_methods: list[Figures]
    finding: Figures
    headline: str
    methods: list[Figures]


class Unfinished(TypedDict):
    """A run that is not in the table, and why."""

    dataset: str
    variant: str
    state: str
    reason: str


class Better(TypedDict):
    """A method above the best classical one of its run, with p corrected over all runs."""

    dataset: str
    variant: str
    method: str
    against: str
    difference: float
    ci95: list[float]
    p_holm: float
    speaks_of: Scope


class DatasetRatio(TypedDict):
    """One data set of a pooled comparison: a method's test figure over another's, less 1."""

    dataset: str
    method: str
    against: str
    relative: float


class PooledComparison(TypedDict):
    """A method against the best classical ones, over data sets."""

    method: str
    relative: float
    ci95: list[float]
    p: float
    p_holm: float
    datasets: list[DatasetRatio]


class PooledRuns(TypedDict):
    """Comparisons over data sets, or the reason why there are none."""

    datasets: list[str]
    comparisons: list[PooledComparison]
    left_out: list[str]
    reason: str | None


class Pooled(PooledRuns):
    """The same, of the first variant of each data set."""

    variant: str


class MethodRank(TypedDict):
    """A method's average rank over data sets."""

    name: str
    rank: float


class Ranks(TypedDict):
    """Average ranks over data sets of one variant, or the reason why there are none."""

    methods: list[MethodRank]
    datasets: int
    friedman_p: float | None
    critical_difference: float | None
    alike: list[list[str]]
    variant: str
    left_out: list[str]
    reason: str | None


class Against(TypedDict):
    """A relative difference to another method of the run; p is of this test alone."""

    name: str
    p: float
    relative: float | None
    speaks_of: Scope


class LLMWorth(TypedDict):
    """What the LLM's evidence adds to a method with texts by an encoder."""

    method: str
    versus: Against
    tokens: int
    relative_per_million_tokens: float | None


class TextWorth(TypedDict):
    """What text is worth on a run's data; both "best" are chosen on validation."""

    name: str
    variant: str
    users: int
    items: int
    interactions: int
    best_classical: Figures
    best_semantic: Figures
    llm: list[LLMWorth]


class ClaimTest(TypedDict):
    """One measured difference that a claim says is above 0."""

    about: str
    unit: str
    difference: float
    ci95: list[float]
    simultaneous_ci95: list[float]
    base: float
    p: float
    p_holm: float
    speaks_of: Scope
    outcome: Outcome


class JudgedClaim(TypedDict):
    """A claim with its verdict."""

    name: ClaimName
    claim: str
    verdict: str
    speaks_of: Scope | None
    needed: str | None
    tests: list[ClaimTest]
    figures: list[Figures]
    lacking: list[str]


class StudyAnswer(TypedDict):
    """All of it, but for the study's folder and its files."""

    name: str
    metric: str
    searches: int
    seeds: int
    correction: str
    runs: list[RunAnswer]
    unfinished: list[Unfinished]
    better: list[Better]
    pooled: Pooled
    ranks: Ranks
    text_worth: list[TextWorth]
    claims: list[JudgedClaim]


class ShownStudy(StudyAnswer):
    """What is printed: with the folder, and where the files lie."""

    workspace: str
    files: dict[str, str]
