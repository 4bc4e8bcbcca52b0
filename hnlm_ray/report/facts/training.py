"""Curves of the fine-tuning and of the refits of each method; the false-negative model's reliability and features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from hnlm_ray.finetune.evaluate.comparison import MEANINGS, METRICS, TUNED, in_words, losses_of, methods_of
from hnlm_ray.report.facts.texts import number
from hnlm_ray.workspace.shown_tables import ShownTables

Facts = dict[str, Any]
TABLE = "false_negative_model"


def guard_facts(tables: ShownTables) -> Facts | None:
    """Return the fits, the one with all features first, and that one's bins; none where no method has a guard."""
    if not tables.readable(TABLE):
        return None
    rows = tables.read(TABLE, ["features", "auc", "log_loss", "bins"]).to_pylist()
    whole = next((row for row in rows if row["features"] == "all"), None)
    if whole is None:
        return None
    fits = [{**row, "lost": _lost(row, whole)} for row in rows]
    return {"fits": sorted(fits, key=lambda row: (row["features"] != "all", row["features"])), "bins": whole["bins"]}


def _lost(row: Facts, whole: Facts) -> float | None:
    """Return how much lower its AUC is than that with all features; none of that itself, or where there is none."""
    lost = float(whole["auc"] - row["auc"])
    return None if row is whole or math.isnan(lost) else lost


Row = Mapping[str, Any]
_POINTS: Final = 300
_TABLE_POINTS: Final = 12


def finetune_facts(tables: ShownTables) -> Facts:
    """Return the fine-tuning's curve and its evaluation; none for what is not there."""
    log = (
        tables.read("finetune_log", ["step", "loss", "held_out_loss", "lr"])
        if tables.readable("finetune_log")
        else None
    )
    rows = [] if log is None else sorted(log.to_pylist(), key=lambda row: int(row["step"]))
    counts = {} if log is None else tables.published.manifests["finetune_log"].counts
    return {
        "curve": thinned(rows, _POINTS),
        "measured": [row for row in rows if row["held_out_loss"] is not None],
        "evaluation": _evaluation(tables, losses_of(counts)),
        "metrics": METRICS[1:],
    }


def _evaluation(tables: ShownTables, losses: Mapping[str, float]) -> Facts | None:
    """Return the comparison on held-out users, best mean reciprocal rank first, and what it says."""
    if not tables.readable("finetune_eval"):
        return None
    rows = tables.read("finetune_eval", ["method", "pairs", "metrics"]).to_pylist()
    methods = methods_of(rows)
    told = [{**method, "meaning": MEANINGS.get(method["name"], "")} for method in methods]
    return {
        "pairs": rows[0]["pairs"],
        "users": number(tables.published.manifests["finetune_eval"].counts, "users"),
        "tuned": TUNED,
        "verdict": in_words(methods, losses),
        "methods": sorted(told, key=lambda method: -(method["mrr"] or 0)),
    }


def thinned(rows: Sequence[Any], most: int) -> list[Any]:
    """Return at most ``most`` rows, evenly spaced, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[place] for place in np.linspace(0, len(rows) - 1, most).round().astype(int)]


def curve_facts(results: Sequence[Row]) -> list[Facts]:
    """Return each method's curve: means over its refits of an epoch, while all of them ran.

    ``false`` are the epochs whose negatives were measured, with ``share`` (false negatives) and ``hardness``.
    """
    methods = sorted({str(row["method"]) for row in results})
    found = [_curve(name, [row for row in results if row["method"] == name and row["curve"]]) for name in methods]
    return [curve for curve in found if curve["epochs"]]


def _curve(name: str, refits: Sequence[Row]) -> Facts:
    shortest = min((len(row["curve"]) for row in refits), default=0)
    epochs = [_epoch([row["curve"][place] for row in refits]) for place in range(shortest)]
    return {
        "name": name,
        "refits": len(refits),
        "epochs": epochs,
        "shown": thinned([epoch for epoch in epochs if epoch["validation"] is not None], _TABLE_POINTS),
        "false": thinned([epoch for epoch in epochs if epoch["share"] is not None], _TABLE_POINTS),
        "ran": [int(row["epochs"]) for row in refits],
        "best": [int(row["best_epoch"]) for row in refits],
    }


def _epoch(points: Sequence[Row]) -> Facts:
    return {
        "epoch": points[0]["epoch"],
        "loss": float(np.mean([point["loss"] for point in points])),
        "validation": _mean([point["validation"] for point in points]),
        "hardness": _mean([point.get("hardness") for point in points]),
        "share": _mean([point.get("false_negative_share") for point in points]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean, none where a value is missing."""
    found = [value for value in values if value is not None]
    return float(np.mean(found)) if found and len(found) == len(values) else None
