"""One check's answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from hnlm_ray.base.text import redacted

GIB = 1 << 30


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found, and what to do when that is not enough."""

    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    remedy: str = ""

    def as_row(self) -> dict[str, str]:
        """Return it for ``--json``."""
        return {name: redacted(value) for name, value in asdict(self).items()}


def at_least(name: str, gib: float, warn_below: float, fail_below: float, remedy: str) -> Check:
    """Judge an amount of memory or disk, in GiB."""
    state: Literal["ok", "warn", "fail"] = "fail" if gib < fail_below else "warn" if gib < warn_below else "ok"
    return Check(name, state, f"{gib:.1f} GiB", "" if state == "ok" else remedy)
