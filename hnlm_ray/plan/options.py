"""What a plan's caller may choose."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hnlm_ray.base.errors import InputError


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
