"""Cut-offs and names of metrics, as a caller gives them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.evaluate.metrics import ranking_metrics


def check_cutoffs(cutoffs: Sequence[int]) -> None:
    """Raise InputError unless these are whole numbers from 1 on, at least one."""
    whole = all(isinstance(k, (int, np.integer)) and not isinstance(k, bool) for k in cutoffs)
    if not cutoffs or not whole or min(cutoffs) < 1:
        raise InputError(f"cut-offs must be whole numbers, 1 or above, got {list(cutoffs)}")


def check_metric(metric: str, cutoffs: Sequence[int]) -> None:
    """Raise InputError, with what is near, where a metric isn't measured at ``cutoffs``."""
    check_cutoffs(cutoffs)
    measured = list(ranking_metrics(np.zeros((0, 1), np.bool_), np.zeros(0, np.int64), cutoffs))
    if metric not in measured:
        near = difflib.get_close_matches(metric, measured, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(measured)}"
        raise InputError(f"metric {metric!r} isn't measured at cut-offs {list(cutoffs)}: {hint}")
