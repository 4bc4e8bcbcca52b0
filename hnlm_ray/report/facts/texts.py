"""What the LLM stages wrote: how much of it is usable, how varied it is, and what became of the negatives.

And what the LLM judged of hard candidates: what it wants, and what its verdicts are worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.evidence.answers import PROBLEMS
from hnlm_ray.evidence.judgements import judged_pairs
from hnlm_ray.evidence.worth import Judged, chance, judged_of, worth_of
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.report.facts.samples import item_titles
from hnlm_ray.workspace import Manifest
from hnlm_ray.workspace.shown_tables import ShownTables
from hnlm_ray.workspace.tables import KEYS

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


Counts = Mapping[str, object]
TEXTS: Final = tuple(stage.outputs[0] for stage in STAGES if stage.writes_texts)
"""The tables of what the LLM wrote."""
_FIGURES: Final = (
    *("valid_share", "duplicate_share", "distinct_1", "distinct_2", "compression_ratio"),
    *("words_mean", "words_median", "sampled_texts", "prompts_cut", "prompts_defused"),
)
GROUNDED: Final = {
    "exact_title": "are the title of an item",
    "fuzzy_title": "are much like the title of an item",
    "nearest_by_vector": "name no item to be used, and stand for those whose descriptions are nearest by their vectors",
    "ungrounded": "name no item to be used, are near none, and are not used",
}
ORIGINS: Final = {
    "own_pairs": "have a negative of their own",
    "borrowed_pairs": "take that of the most similar pair of the same user",
    "fallback_pairs": "have none: negatives are sampled for them",
}
_TOLD: Final = ("named_by_title", "named_by_title_share", "repeat_training_positive", "duplicate")
_DONE: Final = ("ok", "none")
_EXAMPLES = 4


def text_facts(tables: ShownTables, seed: int) -> Facts:
    """Return the figures of each LLM stage that is there, what became of the negatives, and examples of failed rows."""
    there = [table for table in TEXTS if tables.readable(table)]
    titles = item_titles(tables) if there else {}
    return {
        "stages": [{"name": table, **figures_of(tables.published.manifests[table])} for table in there],
        "judgements": judgement_facts(tables),
        "negatives": negative_facts(_counts(tables, "negative_pool"), _counts(tables, "results")),
        "failed": [example for table in there for example in _failed(tables, table, titles, seed)],
    }


def _counts(tables: ShownTables, table: str) -> Counts:
    return tables.published.manifests[table].counts if tables.readable(table) else {}


def figures_of(manifest: Manifest) -> Facts:
    """Return what a stage's manifest tells of its texts; none for a figure that it has not."""
    rows, tokens = manifest.rows, manifest.tokens
    total = rows.ok + rows.none + rows.failed
    return {
        "rows": total,
        "by_status": {"ok": rows.ok, "none": rows.none, **manifest.failed_by_reason},
        "tokens_in": tokens.tokens_in / total if total else None,
        "tokens_out": tokens.tokens_out / total if total else None,
        **{name: number(manifest.counts, name) for name in _FIGURES},
    }


def number(counts: Counts, name: str) -> float | None:
    """Return a count of a manifest where it is there and a number."""
    value = counts.get(name)
    return value if isinstance(value, int | float) else None


def negative_facts(pool: Counts, results: Counts) -> Facts:
    """Return what became of the texts of negatives, whose negatives pairs have, and how many texts are false."""
    return {
        "texts": _parts(pool, GROUNDED),
        "pairs": _parts(pool, ORIGINS),
        **{name: number(pool, name) for name in _TOLD},
        "named": number(results, "text_named"),
        "false": number(results, "text_false_negatives"),
        "false_share": number(results, "text_false_negative_share"),
        "at_random": number(results, "text_share_at_random"),
    }


def _parts(counts: Counts, meanings: Mapping[str, str]) -> list[Facts]:
    """Return counts that make up a whole, each with its share of it; empty where the whole is."""
    found = {name: number(counts, name) or 0 for name in meanings}
    whole = sum(found.values())
    return [
        {"name": name, "count": count, "share": count / whole, "meaning": meanings[name]}
        for name, count in found.items()
        if whole
    ]


def _failed(tables: ShownTables, table: str, titles: Mapping[int, str], seed: int) -> list[Facts]:
    """Return a failed row of each status, drawn by seed."""
    keys = list(KEYS[table])
    rows = tables.read(table, [*keys, "status"])
    rows = rows.filter(pc.invert(pc.is_in(rows["status"], pa.array(_DONE))))
    rng, found = np.random.default_rng(seed), []
    for status in sorted(pc.unique(rows["status"]).to_pylist())[:_EXAMPLES]:
        part = rows.filter(pc.equal(rows["status"], status)).select(keys)
        key = part.slice(int(rng.integers(part.num_rows)), 1).to_pylist()[0]
        found += [_told(tables, table, row, titles) for row in tables.rows_where(table, **key)]
    return found


def _told(tables: ShownTables, table: str, row: Mapping[str, Any], titles: Mapping[int, str]) -> Facts:
    users = tables.rows_where("users", user=row["user"]) if "user" in row else []
    return {
        "stage": table,
        "user": users[0]["user_id"] if users else None,
        "item": titles.get(row["item"], "") if "item" in row else None,
        **{name: row[name] for name in ("status", "error", "attempts", "tokens_in", "tokens_out")},
    }
