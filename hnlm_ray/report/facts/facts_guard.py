"""What the report tells of the guard's false-negative model: its reliability and what each group of features adds."""

from __future__ import annotations

import math
from typing import Any

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
