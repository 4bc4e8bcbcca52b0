"""The ranked comparison as a CSV file: one row a method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyarrow as pa

from hnlm_ray.compare.user_groups import HISTORIES, POPULARITIES
from hnlm_ray.export.files import Target, write_rows

_OF_METHODS: Final = (
    *("family", "control_of", "takes", "searches", "trials", "dimensions", "pruned", "cpu_seconds", "seeds"),
    "llm_tokens",
)
_COUNTS: Final = ("wins", "ties", "losses")
Cells = dict[str, str | int | float | None]


def csv_target(path: str) -> Target:
    """Return the file that ``--csv`` names; InputError where it can't be written."""
    target = Target.named(path, "--csv")
    target.check(force=True)
    return target


def write_csv(target: Target, answer: Mapping[str, Any]) -> None:
    """Write the methods, best first; texts that a spreadsheet would compute are escaped.

    Raises
    ------
    InputError
        The place can't be written, or is full.
    """
    table = results_rows(answer)
    write_rows(target, "csv", table.schema, [table])


def results_rows(answer: Mapping[str, Any]) -> pa.Table:
    """Return a row a method: its figures, and its difference to the best classical one; null where there is none."""
    rows = [dict(_cells(rank, method)) for rank, method in enumerate(answer["methods"], 1)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: pa.array([row.get(name) for row in rows], _type(name)) for name in names})


def _type(name: str) -> pa.DataType:
    if name in {"method", "family", "control_of", "takes", "error"}:
        return pa.string()
    whole = name in {
        "rank",
        "searches",
        "trials",
        "dimensions",
        "pruned",
        "seeds",
        "llm_tokens",
        "failed_trials",
        "failed_seeds",
    }
    return pa.int64() if whole or name.endswith((*_COUNTS, "_users")) else pa.float64()


def _cells(rank: int, method: Mapping[str, Any]) -> Iterator[tuple[str, str | int | float | None]]:
    yield from {"rank": rank, "method": method["name"]}.items()
    yield from ((name, method[name]) for name in _OF_METHODS)
    yield from ((f"failed_{name}", sum(counts.values())) for name, counts in method["errors"].items())
    yield "error", method["reasons"][0]["error"] if method["reasons"] else None
    for kind in ("validation", "test", "test_std"):
        yield from ((f"{kind}_{metric}", value) for metric, value in method[kind].items())
    yield from _versus(method["versus_best_classical"])


def _versus(versus: Mapping[str, Any]) -> Iterator[tuple[str, str | int | float | None]]:
    for name in ("difference", "relative"):
        yield name, versus[name]
        interval = versus["ci95" if name == "difference" else "relative_ci95"]
        yield from zip((f"{name}_low", f"{name}_high"), interval, strict=True)
    yield from ((name, versus[name]) for name in ("p_holm", "effect_size", *_COUNTS))
    for group in (*HISTORIES, *POPULARITIES):
        own = versus["by_group"].get(group, {})
        yield from ((f"{group}_{name}", own.get(name)) for name in ("users", "difference", *_COUNTS))
