"""Claim: semantic negatives are less often false ones than those of DNS that are as hard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hnlm_ray.compare.method_rows import Row
from hnlm_ray.compare.significance import Spread
from hnlm_ray.config.controls import UNTRAINED
from hnlm_ray.study.claims.differences import Difference, Tested
from hnlm_ray.study.finished import FinishedRun
from hnlm_ray.tune.frontier.rows import ALIKE

CLAIM: Final = (
    "Semantic negatives are held-out positives of their user less often than negatives of DNS that are as hard, "
    "and by their meaning: less often than those of every control of the run."
)
UNIT: Final = "share of negatives"
_COUNTED: Final = (
    "pool_false_negative_share", "share_at_random", "text_false_negative_share", "random_false_negative_share"
)  # fmt: skip


@dataclass(frozen=True)
class _Part:
    """What one run says."""

    tests: Sequence[Difference] = ()
    figures: Sequence[Row] = ()
    lacking: Sequence[str] = field(default_factory=tuple)
    beside_controls: bool = True
    """Whether the method was compared with each of its controls."""


def false_negatives(runs: Sequence[FinishedRun]) -> Tested:
    """Test what the best semantic method saves on one model, at equal hardness and against its controls.

    Best by validation, of those whose negatives could be compared. All samplers drew for the same pairs on a model that
    none of them trained (table ``frontier``): a sampler can't save by being easier, and a control has the method's own
    settings. Users are the sample. A control that the method could not be compared with, or that draws the very items
    that it draws, is not beaten: with one the claim does not hold.
    """
    parts = [_part(run) for run in runs]
    unproven = None if all(part.beside_controls for part in parts) else "a comparison with each control of the method"
    return Tested(
        "false_negatives",
        CLAIM,
        [test for part in parts for test in part.tests],
        [row for part in parts for row in part.figures],
        [sentence for part in parts for sentence in part.lacking],
        unproven,
    )


def _part(run: FinishedRun) -> _Part:
    own = {str(row["method"]): row for row in run.frontier if row["role"] == "own"}
    ours = run.best("semantic", frozenset(name for name, row in own.items() if row["saved"] is not None))
    if ours is None:
        return _Part(lacking=[f"{run.name}: {_why_none(run, own)}"])
    takes: Mapping[str, str | None] = next(one for one in run.entries if one["name"] == ours)["control_takes"]
    controls = [row for row in run.frontier if row["controls"] == ours and not _is_untrained(row, takes)]
    compared = [row for row in controls if row["gain"] is not None]
    lacking = [f"{run.name}: {row['method']}: {row['reason']}" for row in controls if row["gain"] is None]
    if not compared:
        lacking.append(f"{run.name}: no control of {ours} could be compared, so nothing is credited to its meaning")
    absent = [name for name in takes if takes[name] != UNTRAINED and name not in {row["method"] for row in controls}]
    lacking += [f"{run.name}: {', '.join(absent)}: no control of the run"] if absent else []
    tests = [_test(run, own[ours], "saved", f"{ours} against negatives of DNS that are as hard")]
    tests += [_test(run, row, "gain", f"{ours} against {row['method']} with its settings") for row in compared]
    all_compared = bool(controls) and len(compared) == len(controls)
    return _Part(tests, list(_figures(run, own, [own[ours], *controls])), lacking, all_compared)


def _is_untrained(row: Row, takes: Mapping[str, str | None]) -> bool:
    """Tell whether a control draws what its method does because an adapter is all that they differ in."""
    return row["reason"] == ALIKE and takes.get(row["method"]) == UNTRAINED


def _why_none(run: FinishedRun, own: dict[str, Row]) -> str:
    semantic = [entry["name"] for entry in run.entries if entry["family"] == "semantic"]
    told = [f"{name}: {own[name]['reason']}" for name in semantic if name in own]
    return f"no semantic method's negatives could be compared at equal hardness ({'; '.join(told) or 'there is none'})"


def _test(run: FinishedRun, row: Row, name: str, compared: str) -> Difference:
    known = (Spread(float(row[f"{name}_error"]), int(row["users"]) - 1),)
    base = row["reference_share"] if name == "saved" else row["false_negative_share"]
    about = f"{run.name}: {compared}, false negatives that are saved"
    return Difference(about, UNIT, float(row[name]), known, float(row[f"{name}_p"]), float(base))


def _figures(run: FinishedRun, own: dict[str, Row], rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield the method with what the run counted, then its controls: with its settings, and with their own."""
    counted = {name: run.counts[name] for name in _COUNTED if name in run.counts}
    shown = [*rows, *(own[row["method"]] for row in rows[1:] if row["method"] in own)]
    for place, row in enumerate(shown):
        yield {**_figure(run, row), **({} if place else counted)}


def _figure(run: FinishedRun, row: Row) -> dict[str, Any]:
    outcome = row["reason"] if row["saved"] is None else _test(run, row, "saved", "").outcome(row["saved_p"], tests=1)
    told = {name: row[name] for name in ("method", "setting", "hardness", "false_negative_share", "reference_share")}
    return {"run": run.name, **told, "saved": row["saved"], "p": row["saved_p"], "outcome": outcome}
