"""``hnlm doctor``: is this machine ready, and what to do where it is not."""

from __future__ import annotations

from collections import Counter

import typer
from rich.console import Console
from rich.text import Text

from hnlm_ray.base.text import clean, redacted
from hnlm_ray.commands.output import Output
from hnlm_ray.commands.setup.checks import (
    Check,
    cluster_checks,
    machine_checks,
    model_checks,
    package_checks,
    storage_checks,
)
from hnlm_ray.config import Config

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def examine(config: Config | None, output: Output) -> None:
    """Print every check; exit code 1 when one fails."""
    checks = [
        *package_checks(),
        *machine_checks(),
        *storage_checks(config),
        *model_checks(config),
        *cluster_checks(config),
    ]
    failed = any(check.state == "fail" for check in checks)
    answer = {"ok": not failed, "checks": [check.as_row() for check in checks]}
    output.emit(answer, lambda console: _show(console, checks))
    if failed:
        raise typer.Exit(1)


def _show(console: Console, checks: list[Check]) -> None:
    for check in checks:
        state = Text(f"{check.state:<5}", style=_STYLES[check.state])
        console.print(state + Text(clean(redacted(f"{check.name:<14} {check.found}")), style=""), soft_wrap=True)
        if check.remedy:
            console.print(Text(f"{'':<20}{clean(redacted(check.remedy))}"), soft_wrap=True)
    counts = Counter(check.state for check in checks)
    console.print(f"{counts['ok']} ok, {counts['warn']} warnings, {counts['fail']} failures")
