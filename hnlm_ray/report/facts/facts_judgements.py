"""What the LLM judged of hard candidates: how much of it is usable, what it wants, and what its verdicts are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import pyarrow.compute as pc

from hnlm_ray.evidence.answers import PROBLEMS
from hnlm_ray.evidence.judgements import judged_pairs
from hnlm_ray.evidence.worth import Judged, chance, judged_of, worth_of
from hnlm_ray.workspace.shown_tables import ShownTables

Facts = dict[str, Any]
_MEANINGS: Final = {
    "missing": "candidates that an answer has no entry for",
    "malformed": "entries that are no verdict",
    "repeated": "candidates with two entries, of which none counts",
    "unknown": "entries for a number that was not listed",
}


def judgement_facts(tables: ShownTables) -> Facts | None:
    """Return what was judged; the worth of verdicts once there are results, so that nothing is chosen by it."""
    if not tables.readable("judgements"):
        return None
    counts = tables.published.manifests["judgements"].counts
    names = ("candidates", "judged", "judged_share", "wanted", "not_wanted", "unsure", "wanted_share")
    judged = judged_and_held_out(tables) if tables.readable("results") else None
    problems = [{"count": _number(counts, f"entries_{name}"), "meaning": _MEANINGS[name]} for name in PROBLEMS]
    return {
        **{name: _number(counts, name) for name in names},
        "problems": [problem for problem in problems if problem["count"]],
        "worth": [asdict(one) for one in worth_of(judged)] if judged else [],
        "p": chance(judged) if judged else None,
    }


def _number(counts: Mapping[str, object], name: str) -> float | None:
    value = counts.get(name)
    return value if isinstance(value, int | float) else None


def judged_and_held_out(tables: ShownTables) -> Judged | None:
    """Return the judged pairs and which of them are held-out positives; None where nothing is held out."""
    rows = tables.read("interactions", ["user", "item", "split"])
    held_out = rows.filter(pc.not_equal(rows["split"], "train"))
    if not held_out.num_rows:
        return None
    judged = judged_pairs(tables.read("judgements", ["user", "candidates", "verdicts"]))
    items = tables.read("items", ["item"]).num_rows
    pairs = held_out["user"].to_numpy(), held_out["item"].to_numpy()
    return judged_of(judged, pairs, items)
