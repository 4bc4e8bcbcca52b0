"""What the report tells of samplers on one model: hardness against false negatives, and one sentence about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hnlm_ray.compare.leaderboard import best_by_validation
from hnlm_ray.config.controls import UNTRAINED
from hnlm_ray.report.words import share
from hnlm_ray.workspace.shown_tables import ShownTables
from hnlm_ray.workspace.tables import TABLES

Facts = dict[str, Any]
Row = Mapping[str, Any]
TABLE: Final = "frontier"
LEVEL: Final = 0.05


def frontier_facts(tables: ShownTables, answer: Row) -> Facts | None:
    """Return the samplers on one model, by their roles; none where the run has no such table, or an empty one.

    ``left_out`` are the methods that drew nothing there, with the reason; ``words`` is what is shown, in a sentence
    about the semantic method that is best on validation of those compared.
    """
    if not tables.readable(TABLE):
        return None
    rows = tables.read(TABLE, list(TABLES[TABLE].names)).to_pylist()
    families = {entry["name"]: entry["family"] for entry in answer["methods"]}
    told = [{**row, "family": _family(row, families)} for row in rows if row["method"] in families or _is_curve(row)]
    by_role = {role: [row for row in told if row["role"] == role] for role in ("reference", "own", "grid", "control")}
    if not by_role["reference"]:
        return None
    drawn = [row for row in by_role["own"] if row["hardness"] is not None]
    return {
        "model": tables.published.manifests["results"].counts["frontier_model"],
        "pairs": by_role["reference"][0]["pairs"],
        "users": by_role["reference"][0]["users"],
        **{role: [row for row in by_role[role] if row["hardness"] is not None] for role in ("reference", "grid")},
        "own": drawn,
        "controls": [row for row in by_role["control"] if row["hardness"] is not None],
        "left_out": [row for row in by_role["own"] if row["hardness"] is None],
        "words": frontier_words(by_role["own"], by_role["control"], answer),
    }


def _is_curve(row: Row) -> bool:
    return bool(row["role"] == "reference")


def _family(row: Row, families: Mapping[str, str]) -> str:
    return "classical" if _is_curve(row) else families[row["method"]]


def frontier_words(own: Sequence[Row], controls: Sequence[Row], answer: Row) -> str:
    """Say what the best compared semantic method saves at equal hardness, and whether its controls save it too."""
    compared = {row["method"]: row for row in own if row["saved"] is not None}
    entries = [entry for entry in answer["methods"] if entry["name"] in compared]
    best = best_by_validation(entries, "semantic", answer["metric"])
    if best is None:
        return "No semantic method has negatives that could be compared with those of DNS of the same hardness."
    told = _against_curve(compared[best])
    if not _is_gain(compared[best], "saved"):
        return told
    entry = next(entry for entry in entries if entry["name"] == best)
    ours = [row for row in controls if row["controls"] == best and row["gain"] is not None]
    return f"{told} {_against_controls(best, ours, _trained(entry))}"


def _trained(entry: Row) -> list[str]:
    """Return a method's controls, run or not, but for that which leaves an adapter untrained: none is trained here."""
    return [name for name in entry["controls"] if entry["control_takes"][name] != UNTRAINED]


def _is_gain(row: Row, name: str) -> bool:
    return bool(row[name] > 0 and row[f"{name}_p"] < LEVEL)


def _against_curve(row: Row) -> str:
    figures = (
        f"At the hardness of {row['method']}'s negatives ({share(row['hardness'])} rank above their positive) the "
        f"fewest false negatives that DNS comes to are {share(row['reference_share'])}; {row['method']} has "
        f"{share(row['false_negative_share'])}"
    )
    if row["saved_p"] >= LEVEL:
        return f"{figures}, which can't be told from that (a difference of {_points(row, 'saved', 1)})."
    fewer = row["saved"] > 0
    return f"{figures}, {_points(row, 'saved', 1 if fewer else -1)} {'fewer' if fewer else 'more'}."


def _against_controls(method: str, controls: Sequence[Row], every: Sequence[str]) -> str:
    """Say which controls save as much: with them a saving can't be credited to what they take away.

    ``every`` are the method's controls, of which ``controls`` were compared.
    """
    if not controls:
        return f"No control of {method} was compared, so nothing is credited to its meaning."
    level = [row for row in controls if not _is_gain(row, "gain")]
    listed = "; ".join(f"{row['method']} {_points(row, 'gain', 1)}" for row in level or controls)
    if level:
        return f"With the same settings it is not shown to save more than every control ({listed})."
    told = f"With the same settings it saves more than {len(controls)} of its {len(every)} controls ({listed})"
    left = [name for name in every if name not in {row["method"] for row in controls}]
    return f"{told}; not compared with {', '.join(left)}." if left else f"{told}."


def _points(row: Row, name: str, sign: int) -> str:
    """Write a difference of shares, or its opposite, with its interval, in percentage points."""
    value, *ends = (100 * sign * row[f"{name}{end}"] for end in ("", "_low", "_high"))
    low, high = sorted(ends)
    return f"{value:.1f} points [{low:.1f}, {high:.1f}]"
