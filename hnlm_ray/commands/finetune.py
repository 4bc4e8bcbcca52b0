"""``hnlm finetune eval``: how the fine-tuned LLM compares on users it has not seen."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hnlm_ray.commands.execution import Execution
from hnlm_ray.commands.narration import say
from hnlm_ray.finetune.meanings import MEANINGS, METRICS
from hnlm_ray.pipeline import find_stage
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
    rows = workspace.table("finetune_eval").read().to_pylist()
    tuning = workspace.table("finetune_log").published().counts
    losses = {name: value for name, value in tuning.items() if name.startswith("held_out_loss")}
    methods = [{"name": row["method"], **_metrics(row["metrics"])} for row in rows]
    return {"pairs": rows[0]["pairs"], **losses, "methods": methods}


def _metrics(pairs: list[tuple[str, float]]) -> dict[str, float | None]:
    found = dict(pairs)
    return {name: found.get(name) for name in METRICS}


def show_eval(console: Console, answer: dict[str, Any]) -> None:
    """Print the comparison, best mean reciprocal rank first, and what it says."""
    table = Table("method", *METRICS, box=None, pad_edge=False)
    for method in sorted(answer["methods"], key=lambda method: -method["mrr"]):
        table.add_row(method["name"], *(_shown(name, method[name]) for name in METRICS))
    say(console, f"{answer['pairs']} pairs of held-out users; the target is each pair's mined hard negative")
    console.print(table)
    for name, meaning in MEANINGS.items():
        console.print(Text(f"  {name:<26}{meaning}"))
    say(console, in_words(answer))


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1%}" if name in _SHARES else f"{value:.4f}"


def in_words(answer: dict[str, Any]) -> str:
    """Say what fine-tuning did, and who is better."""
    mrr = {method["name"]: method["mrr"] for method in answer["methods"]}
    own = mrr["finetuned"]
    best = max((name for name in mrr if not name.startswith("finetuned")), key=lambda name: mrr[name])
    relation = "is level with" if own == mrr[best] else "is behind"
    if own > mrr[best]:
        relation = "is better than every baseline, the best of which is"
    parts = [f"The fine-tuned LLM (mrr {own:.4f}) {relation} {best} ({mrr[best]:.4f})"]
    parts.append(f"untuned it has {mrr['untuned']:.4f}, the text ridge {mrr['text_ridge']:.4f}")
    if answer.get("held_out_loss_fall") is not None:
        parts.append(
            f"held-out loss {answer['held_out_loss_before']:.4f} -> {answer['held_out_loss']:.4f} "
            f"({-answer['held_out_loss_fall']:+.1%})"
        )
    return "; ".join(parts) + "."
