"""Claim: an LLM tuned on one data set serves another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from hnlm_ray.compare.method_rows import per_user_values, shared_refits, speaks_of
from hnlm_ray.study.claims.differences import Difference, Tested, over_users
from hnlm_ray.study.finished import FinishedRun

KEPT: Final = 0.95
CLAIM = "An LLM that was fine-tuned on another data set keeps 95% of what one gives that is tuned on this data set."
REBUILT, TRANSFERRED = "rebuilt", "transferred"
NEEDED: Final = (
    "a method that reads vectors (hnlmrec) and the variants 'rebuilt' and 'transferred', the second with "
    "finetune.model: the folder models/FINGERPRINT that another data set's run exported"
)


def generalisation(runs: Sequence[FinishedRun]) -> Tested:
    """Test of each data set the transferred LLM's figure minus 95% of the rebuilt one's, for the same method."""
    by_name = {(run.dataset, run.variant): run for run in runs}
    found = [_tested(by_name, dataset) for dataset in dict.fromkeys(run.dataset for run in runs)]
    return Tested(
        "generalisation",
        CLAIM,
        [one for one in found if isinstance(one, Difference)],
        lacking=[one for one in found if isinstance(one, str)],
    )


def _tested(runs: dict[tuple[str, str], FinishedRun], dataset: str) -> Difference | str:
    rebuilt, transferred = (runs.get((dataset, variant)) for variant in (REBUILT, TRANSFERRED))
    if rebuilt is None or transferred is None:
        return f"{dataset}: it needs {NEEDED}"
    method = rebuilt.best("semantic", rebuilt.reads_vectors & transferred.reads_vectors)
    if method is None:
        return f"{dataset}: no method that reads vectors finished in both variants"
    ours, base = transferred.methods[method], rebuilt.methods[method]
    values = per_user_values(shared_refits(ours, base))
    if values is None:
        return f"{dataset}: {method} has no finished seed in both variants"
    return over_users(
        f"{dataset}: {method}, {TRANSFERRED} against 95% of {REBUILT}",
        rebuilt.metric,
        values[0],
        KEPT * np.asarray(values[1]),
        speaks_of=speaks_of(ours, base, rebuilt.found_by),
    )
