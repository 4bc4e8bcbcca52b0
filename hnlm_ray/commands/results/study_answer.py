"""What ``hnlm study`` prints and writes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from hnlm_ray.base.redaction import redacted
from hnlm_ray.commands.output import Output
from hnlm_ray.commands.results.results_table import figure, p_value
from hnlm_ray.commands.stages.narration import say
from hnlm_ray.config.study import StudyConfig
from hnlm_ray.study.claims.answer import Figures, Pooled, Ranks, ShownStudy, Unfinished
from hnlm_ray.study.finished import FinishedRun
from hnlm_ray.study.words import above, claim_verdict, headlines, over_datasets
from hnlm_ray.workspace import Workspace


def emit_study(
    output: Output,
    workspace: Workspace,
    study: StudyConfig,
    finished: Sequence[FinishedRun],
    unfinished: Sequence[Unfinished],
) -> None:
    """Write the study's files into its folder, then print its answer."""
    from hnlm_ray.study.outputs import write_outputs
    from hnlm_ray.study.table import families, study_answer

    answer, ranking = study_answer(study, finished, unfinished)
    files = write_outputs(workspace, answer, ranking, families(finished))
    whole: ShownStudy = {"workspace": redacted(workspace.uri), **answer, "files": files}
    output.emit(whole, lambda console: show_study(console, whole))


def show_study(console: Console, answer: ShownStudy) -> None:
    """Print the methods of each run, the ranks, and the claims with their verdicts."""
    metric = answer["metric"]
    for run in answer["runs"]:
        say(console, f"{run['dataset']}/{run['variant']}: best classical method {run['best_classical'] or 'none'}")
        console.print(_table(run["methods"], metric))
        for headline in headlines(run):
            say(console, f"{run['dataset']}/{run['variant']}, by this run alone: {headline}")
    for better in answer["better"]:
        place = f"{better['dataset']}/{better['variant']}"
        say(console, f"{place}: {above(better, metric)}")
    _show_pooled(console, answer["pooled"])
    _show_ranks(console, answer["ranks"])
    for claim in answer["claims"]:
        told = "; ".join([*([claim["needed"]] if claim["needed"] else []), *claim["lacking"]])
        say(
            console,
            f"claim {claim['name']}: {claim_verdict(claim).upper()}: {claim['claim']}{f' [{told}]' if told else ''}",
        )
    for one in answer["unfinished"]:
        say(console, f"not in this table: {one['dataset']}/{one['variant']} ({one['reason']})")
    say(console, f"files: {', '.join(answer['files'].values())}")


def _show_pooled(console: Console, found: Pooled) -> None:
    if found["reason"]:
        say(console, f"no sentence about methods over data sets: {found['reason']}")
        return
    for one in found["comparisons"]:
        say(console, f"over {len(found['datasets'])} data sets: {over_datasets(one)}")


def _show_ranks(console: Console, ranks: Ranks) -> None:
    if ranks["reason"]:
        say(console, f"no ranks: {ranks['reason']}")
        return
    listed = ", ".join(f"{row['name']} {row['rank']:.2f}" for row in ranks["methods"])
    say(console, f"average ranks over {ranks['datasets']} data sets: {listed}")
    say(console, f"critical difference {ranks['critical_difference']:.2f}, Friedman's p {p_value(ranks['friedman_p'])}")


def _table(methods: Sequence[Figures], metric: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("method")
    for heading in (f"test {metric}", "std", "vs best classical", "95% CI", "p (Holm)"):
        table.add_column(heading, justify="right")
    for method in methods:
        low, high = method["ci95"]
        table.add_row(
            method["name"],
            figure(method["test"]),
            figure(method["test_std"]),
            figure(method["difference"], sign=True),
            "" if low is None else f"[{low:+.4f}, {high:+.4f}]",
            p_value(method["p_holm"]),
        )
    return table
