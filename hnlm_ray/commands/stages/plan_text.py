"""A plan for readers: a table, and how each figure was got."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hnlm_ray.base.text import clean, duration
from hnlm_ray.plan.figures import Plan, Planned, Total
from hnlm_ray.workspace import Tokens

_NUMBERS = ("rows", "prompts", "tokens in", "tokens out", "time", "GPU hours", "memory", "disk", "cost")


def show_plan(console: Console, plan: Plan) -> None:
    """Print the stages, their sums, and what the figures rest on."""
    table = Table("stage", "state", box=None, pad_edge=False)
    for name in _NUMBERS:
        table.add_column(name, justify="right")
    for stage in plan.stages:
        table.add_row(stage.name, stage.state, *_cells(stage, plan.currency))
    table.add_section()
    table.add_row("total", "", *_cells(plan.total, plan.currency))
    console.print(Text(f"plan of {clean(plan.workspace)} on {clean(plan.machine)}"))
    console.print(table)
    _say_sources(console, plan)


def _cells(row: Planned | Total, currency: str | None) -> list[str]:
    tokens = row.tokens or Tokens()
    return [
        _whole(row.rows) if isinstance(row, Planned) else "",
        _whole(row.prompts),
        _whole(tokens.tokens_in),
        _whole(tokens.tokens_out),
        duration(row.seconds) if row.seconds else "",
        f"{row.gpu_hours:.2f}" if row.gpu_hours is not None else "",
        _size(row.memory_mib),
        _size(row.disk_mib),
        "" if row.cost is None else f"{row.cost:,.{2 if row.cost >= 1 else 4}f} {currency}",
    ]


def _whole(value: int | None) -> str:
    return f"{value:,}" if value else ""


def _size(mib: float | None) -> str:
    if mib is None:
        return ""
    return f"{mib / 1024:,.1f} GiB" if mib >= 1024 else f"{mib:,.1f} MiB"


def _say_sources(console: Console, plan: Plan) -> None:
    """Say once how the stages of one basis got their figures, then what is assumed."""
    by_basis: dict[str, list[str]] = {}
    for stage in plan.stages:
        by_basis.setdefault(stage.basis, []).append(stage.name)
    for basis, names in by_basis.items():
        console.print(Text(clean(f"{', '.join(names)}: {basis}")), soft_wrap=True)
    for sentence in plan.assumptions:
        console.print(Text(clean(f"- {sentence}")), soft_wrap=True)
