"""Claim: semantic negatives lower popularity bias."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hnlm_ray.compare.versus import found_shares
from hnlm_ray.study.claims.differences import Difference, Tested, over_refits, over_users
from hnlm_ray.study.claims.pairs import Pair, best_pair, split_found
from hnlm_ray.study.finished import FinishedRun

CLAIM = "Semantic negatives find more of what is rare, and list less popular items, than the best classical method."
TAIL = "items_rare"
LEAST_SEEDS = 2


def popularity(runs: Sequence[FinishedRun]) -> Tested:
    """Test the share found of test rows whose item is in the rarest quarter, and how popular the listed items are."""
    pairs, lacking = split_found([best_pair(run) for run in runs])
    found = [part for pair in pairs for part in (_tail(pair), _listed(pair))]
    missing = [part for part in found if isinstance(part, str)]
    tests = [part for part in found if isinstance(part, Difference)]
    unproven = "both figures of each run" if missing else None
    return Tested("popularity", CLAIM, tests, lacking=[*lacking, *missing], unproven=unproven)


def _tail(pair: Pair) -> Difference | str:
    groups = pair.run.groups
    if groups is None or any(row["found"] is None for rows in pair.refits for row in rows):
        return f"{pair.run.name}: its results don't tell which test rows were found; run it again"
    a, b = found_shares(pair.refits, groups, TAIL)
    has_some = ~np.isnan(a).any(0)
    if not has_some.any():
        return f"{pair.run.name}: no test row has an item of the rarest quarter"
    about = f"{pair.about}, rarest quarter of items"
    return over_users(about, "share found", a[:, has_some], b[:, has_some], speaks_of=pair.speaks_of)


def _listed(pair: Pair) -> Difference | str:
    """Compare classical with semantic: less popular is what is claimed."""
    name = f"popularity@{pair.run.metric.partition('@')[2]}"
    rows = [[dict(row["catalogue"] or ()) for row in own] for own in pair.refits]
    if any(name not in row for own in rows for row in own):
        return f"{pair.run.name}: its results don't tell how popular the listed items are; run it again"
    if len(rows) < LEAST_SEEDS:
        return f"{pair.run.name}: one shared seed does not tell how {name} varies"
    ours, base = zip(*([row[name] for row in own] for own in rows), strict=True)
    about = f"{pair.about}, training positives of a listed item that are saved"
    return over_refits(about, name, pair.refits, base, ours, speaks_of=pair.speaks_of)
