"""The comparison: each control beside its method; whom the methods serve; how hard their negatives are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from hnlm_ray.compare.method_rows import unit_of
from hnlm_ray.config.controls import CONTROLS, EXTENDED

Facts = dict[str, Any]
Row = Mapping[str, Any]
_SIZES: Final = ("trials", "dimensions", "searches", "seeds")
_METHOD_FAMILIES: Final = ("classical", "text", "semantic")
HISTORIES: Final = {
    "history_short": "short histories",
    "history_middle": "middle histories",
    "history_long": "long histories",
}
POPULARITIES: Final = {
    "items_unseen": "items never liked in training",
    "items_rare": "rare items",
    "items_common": "common items",
    "items_popular": "popular items",
}
GROUPS: Final = {**HISTORIES, **POPULARITIES}


def comparison(answer: Mapping[str, Any]) -> list[Facts]:
    """Return the methods, best test figure first in each family, with each control below its method."""
    metric = answer["metric"]
    entries = [_entry(entry, metric, rank) for rank, entry in enumerate(answer["methods"], 1)]
    by_name = {entry["name"]: entry for entry in entries}
    ordered: list[Facts] = []
    for entry in [entry for family in _METHOD_FAMILIES for entry in entries if entry["family"] == family]:
        ordered.append(entry)
        own = [by_name[name] for name in entry["controls"] if name in by_name]
        ordered += [control for control in own if control["family"] == "control"]
    return ordered + [entry for entry in entries if entry not in ordered]  # controls whose method was left out


def _entry(entry: Mapping[str, Any], metric: str, rank: int) -> Facts:
    versus = entry["versus_best_classical"]
    failed = {what: sum(counts.values()) for what, counts in entry["errors"].items()}
    return {
        **{name: entry[name] for name in ("name", "family", "control_of", "controls", *_SIZES)},
        "rank": rank,
        "test": entry["test"][metric],
        "std": entry["test_std"][metric],
        "unit": unit_of(range(entry["searches"])),
        "validation": entry["validation"][metric],
        "difference": versus["difference"],
        "low": versus["ci95"][0],
        "high": versus["ci95"][1],
        "p": versus["p_holm"],
        **{name: versus[name] for name in ("relative", "effect_size", "wins", "ties", "losses", "by_group")},
        "failed": {what: count for what, count in failed.items() if count},
        "lost": entry.get("lost", {}),
        "versus_controls": [{**one, "without": without(one["takes"])} for one in entry.get("versus_controls", ())],
    }


def without(takes: str | None) -> str:
    """Say what a control lacks, from its word; of another method, which is extended, what this one adds to it."""
    if takes == EXTENDED:
        return "what is added to it"
    control = CONTROLS.get(takes or "")
    return "what its own file says" if control is None else control.takes


def slice_facts(results: Sequence[Row], order: Sequence[str]) -> Facts | None:
    """Return each method's mean over its refits for each group, and the groups' sizes; none without figures."""
    rows = [{**row, "slices": dict(row["slices"])} for row in results if row["slices"]]
    if not rows:
        return None
    methods = [
        {"name": name, **_means([row["slices"] for row in rows if row["method"] == name], tuple(GROUPS))}
        for name in order
        if any(row["method"] == name for row in rows)
    ]
    sizes = {name: _size(rows[0]["slices"], name) for name in GROUPS}
    return {"methods": methods, "sizes": sizes, "groups": GROUPS}


def _size(figures: Mapping[str, float], name: str) -> int:
    return int(figures.get(f"{name}_users", figures.get(f"{name}_rows", 0)))


def _means(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> dict[str, float | None]:
    found = {name: [row[name] for row in rows if name in row] for name in names}
    return {name: float(np.mean(values)) if values else None for name, values in found.items()}


def hardness_facts(results: Sequence[Row], families: Mapping[str, str]) -> list[Facts]:
    """Return each method's hardness and false-negative share, means over its refits."""
    rows = [row for row in results if row["hardness"] is not None and row["false_negative_share"] is not None]
    return [
        {
            "name": name,
            "family": family,
            "hardness": float(np.mean([row["hardness"] for row in own])),
            "share": float(np.mean([row["false_negative_share"] for row in own])),
            "refits": len(own),
        }
        for name, family in families.items()
        if (own := [row for row in rows if row["method"] == name])
    ]
