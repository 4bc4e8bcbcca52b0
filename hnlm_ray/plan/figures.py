"""A plan as it is printed and kept: what each stage will take, and how that is known.

What a plan's caller may choose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from hnlm_ray.base.errors import InputError
from hnlm_ray.workspace import Tokens
from hnlm_ray.workspace.manifest import Counted, Seconds


@dataclass(frozen=True)
class Options:
    """How a plan is made; ``measure`` None: what is not remembered; True: all; False: nothing.

    ``rate``: tokens a second read and written by an engine elsewhere.
    """

    sample: int = 64
    measure: bool | None = None
    rate: tuple[float, float] | None = None


def parse_rate(text: str) -> tuple[float, float]:
    """Read ``PREFILL,DECODE``.

    Raises
    ------
    InputError
        When these are not two numbers above 0.
    """
    try:
        read, write = (float(part) for part in text.split(","))
    except ValueError:
        read = write = math.nan
    if not (0 < read < math.inf and 0 < write < math.inf):
        raise InputError(f"--rate '{text[:40]}' is no rate: give tokens/s read and written, such as --rate 20000,3000")
    return read, write


PLAN_FILE: Final = "plan.json"
Amount = Annotated[float, Field(ge=0, lt=1e15)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Planned(_Part):
    """What one stage will take; None where a figure does not apply or is not known.

    Rows that an earlier run finished are not in it. Memory is that of all its workers together at their peak.
    """

    name: str
    state: str
    rows: Counted | None = None
    prompts: Counted | None = None
    tokens: Tokens | None = None
    seconds: Seconds | None = None
    gpu_hours: Amount | None = None
    memory_mib: Amount | None = None
    disk_mib: Amount | None = None
    cost: Amount | None = None
    basis: str = ""
    """How the figures were got, as a sentence."""


class Total(_Part):
    """The sums over the stages; memory: the largest, for stages follow each other."""

    prompts: Counted = 0
    tokens: Tokens = Tokens()
    seconds: Seconds | None = None
    gpu_hours: Amount | None = None
    memory_mib: Amount | None = None
    disk_mib: Amount | None = None
    cost: Amount | None = None


class Plan(_Part):
    """The plan of a run."""

    workspace: str
    stages: tuple[Planned, ...]
    total: Total
    machine: str
    currency: str | None = None
    assumptions: tuple[str, ...] = ()


class Promise(_Part):
    """What `hnlm status` shows beside a stage of the same fingerprint; what was spent before the plan is in it."""

    fingerprint: str
    tokens: Tokens | None = None
    seconds: Seconds | None = None


class PlanFile(_Part):
    """The file in the workspace: the latest plan, and what was planned of stages that have run since."""

    plan: Plan
    promises: dict[str, Promise] = {}


def total_of(stages: Iterable[Planned]) -> Total:
    """Add the stages up; a sum of figures that are all unknown is unknown."""
    rows = list(stages)
    tokens = [row.tokens for row in rows if row.tokens is not None]
    return Total(
        prompts=sum(row.prompts or 0 for row in rows),
        tokens=Tokens(tokens_in=sum(t.tokens_in for t in tokens), tokens_out=sum(t.tokens_out for t in tokens)),
        seconds=_over(sum, (row.seconds for row in rows)),
        gpu_hours=_over(sum, (row.gpu_hours for row in rows)),
        memory_mib=_over(max, (row.memory_mib for row in rows)),
        disk_mib=_over(sum, (row.disk_mib for row in rows)),
        cost=_over(sum, (row.cost for row in rows)),
    )


def _over(combine: Callable[[list[float]], float], values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return combine(known) if known else None
