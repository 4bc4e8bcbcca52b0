"""``hnlm finetune eval``: how the fine-tuned LLM compares on users it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hnlm_ray.commands.output import say
from hnlm_ray.commands.results.results_table import figure
from hnlm_ray.commands.stages.execution import Execution
from hnlm_ray.finetune.evaluate.comparison import MEANINGS, METRICS, TUNED, Method, in_words, losses_of, methods_of
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.workspace import Workspace

STAGE = "finetune_eval"
_SHARES = {"recall@10", "recall@50", "false_negative_rate"}


def run_eval(execution: Execution) -> None:
    """Run the comparison and what it needs, unless they are fresh, then print it."""
    execution.run(only=find_stage(STAGE))
    answer = read_eval(execution.workspace)
    execution.output.emit(answer, lambda console: show_eval(console, answer))


def read_eval(workspace: Workspace) -> dict[str, Any]:
    """Return the comparison for programs: a figure that doesn't exist is null."""
    store = workspace.table("finetune_eval")
    losses = losses_of(workspace.table("finetune_log").published().counts)
    counts, methods = store.published().counts, methods_of(store.read().to_pylist())
    sizes = {name: counts[name] for name in ("pairs", "users")}
    return {**sizes, **losses, "verdict": in_words(methods, losses), "methods": methods}


def show_eval(console: Console, answer: dict[str, Any]) -> None:
    """Print the comparison, best mean reciprocal rank first, what its rows are, and what it says."""
    methods = sorted(answer["methods"], key=lambda method: -method["mrr"])
    pairs = f"{answer['pairs']} pairs of {answer['users']} held-out users"
    say(console, f"{pairs}; the target is each pair's mined hard negative")
    say(console, f"difference: {TUNED} minus the row; intervals are of 95%, by user, each for itself")
    console.print(_standings(methods))
    console.print(_others(methods))
    for name, meaning in MEANINGS.items():
        console.print(Text(f"  {name:<26}{meaning}"))
    say(console, answer["verdict"])


def _standings(methods: Sequence[Method]) -> Table:
    table = Table("method", "mrr", "interval", "difference", "interval", box=None, pad_edge=False)
    for method in methods:
        ends, around = method["mrr_ci95"], method["difference_ci95"]
        difference = figure(method["difference"], sign=True, digits=3)
        table.add_row(
            method["name"], figure(method["mrr"], digits=3), _span(ends), difference, _span(around, sign=True)
        )
    return table


def _others(methods: Sequence[Method]) -> Table:
    table = Table("method", *METRICS[1:], box=None, pad_edge=False)
    for method in methods:
        table.add_row(method["name"], *(_shown(name, method[name]) for name in METRICS[1:]))
    return table


def _span(ends: Sequence[float | None], *, sign: bool = False) -> str:
    low, high = ends
    return "" if low is None else f"[{figure(low, sign=sign, digits=3)}, {figure(high, sign=sign, digits=3)}]"


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1%}" if name in _SHARES else f"{value:.3f}"
