"""``hnlm study``: runs a study's runs one after the other, and says what they tell together.

What ``hnlm study`` prints and writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from hnlm_ray.base.errors import HnlmError, StageError
from hnlm_ray.base.text import first_line, redacted, redacted_tree
from hnlm_ray.commands.invocation import Invocation
from hnlm_ray.commands.output import Output, say
from hnlm_ray.commands.results.results_table import figure, p_value
from hnlm_ray.commands.stages.execution import Execution
from hnlm_ray.config import Config
from hnlm_ray.config.study import StudyConfig
from hnlm_ray.pipeline.status import statuses, what_differs
from hnlm_ray.study.claims.answer import Figures, Pooled, Ranks, ShownStudy, Unfinished
from hnlm_ray.study.finished import CONFIG_FILE, FinishedRun, read_finished
from hnlm_ray.study.study_file import PlannedRun, Study, write_definition
from hnlm_ray.study.words import above, claim_verdict, headlines, over_datasets
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.session import Session


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


@dataclass(frozen=True)
class StudyCommand:
    """One call of ``hnlm study``."""

    study: Study
    output: Output
    invocation: Invocation

    def run(self, datasets: Sequence[str]) -> None:
        """Run what is not fresh, of these data sets or of all, then write and print the study's answer.

        Raises
        ------
        StageError
            A run failed; the others were run, and the answer is written without it.
        """
        chosen, workspace = self.study.of(datasets), Workspace.open(self.study.config.workspace)
        console = self.output.notes()
        self._announce(console, chosen)
        workspace.create()
        with Session(workspace):
            write_definition(workspace, self.study.config)
            failed = {run.name: why for run in chosen if (why := self._run(console, run)) is not None}
            finished, unfinished = self._read(failed)
            emit_study(self.output, workspace, self.study.config, finished, unfinished)
        if failed:
            name, why = next(iter(failed.items()))
            raise StageError(f"{len(failed)} of {len(chosen)} runs failed; {name}: {why}; the same command goes on")

    def _announce(self, console: Console, runs: Sequence[PlannedRun]) -> None:
        """Say what there is to run; what no run could start with is an error now, not hours later."""
        say(console, f"study {self.study.config.name} in {redacted(self.study.config.workspace)}: {len(runs)} runs")
        for run in runs:
            found = statuses(run.config, Workspace.open(run.config.workspace))
            stages = [status.stage for status in found if status.state != "fresh"]
            for stage in stages:
                stage.check(run.config)
            todo = [stage.name for stage in stages]
            what = f"to do: {', '.join(todo)}" if todo else "finished"
            say(console, f"  {run.name:<30} {what}")

    def _run(self, console: Console, run: PlannedRun) -> str | None:
        """Run one run; returns why it failed, or none."""
        workspace = Workspace.open(run.config.workspace)
        try:
            Execution(run.config, workspace, self.output, self.invocation).run()
            tree = redacted_tree(run.config.model_dump(mode="json", by_alias=True))
            workspace.write_json(CONFIG_FILE, Config.model_validate(tree))
        except HnlmError as error:
            say(console, f"run {run.name} failed: {redacted(str(error))}")
            return first_line(error)
        return None

    def _read(self, failed: dict[str, str]) -> tuple[list[FinishedRun], list[Unfinished]]:
        """Return the runs whose results are those of the study's file, and why the others are not among them."""
        finished, unfinished = list[FinishedRun](), list[Unfinished]()
        for run in self.study.runs:
            reason = failed.get(run.name) or _differs(run)
            if reason is None:
                finished.append(read_finished(Workspace.open(run.config.workspace), run.dataset, run.variant))
            else:
                state = "failed" if run.name in failed else "not run"
                unfinished.append(
                    {"dataset": run.dataset, "variant": run.variant, "state": state, "reason": redacted(reason)}
                )
        return finished, unfinished


def _differs(run: PlannedRun) -> str | None:
    workspace = Workspace.open(run.config.workspace)
    try:
        differs = what_differs(run.config, workspace, "results")
        if differs is None:
            read_finished(workspace, run.dataset, run.variant)
    except HnlmError as error:
        return first_line(error)
    return differs


def merge_studies(out: str, folders: Sequence[str], output: Output) -> None:
    """Copy the finished runs of several folders of a study into one, then write and print its answer.

    Raises
    ------
    InputError
        They don't fit together, or ``out`` can't be written.
    """
    from hnlm_ray.study.merge import copy_run, look_at
    from hnlm_ray.study.study_file import run_workspaces

    target = Workspace.open(out)
    there = [target] if target.exists("definition.json") else []
    merged = look_at([*there, *map(Workspace.open, folders)])
    study = merged.study.model_copy(update={"workspace": out})
    target.create()
    with Session(target):
        write_definition(target, study)
        places = run_workspaces(target, study)
        for key, (source, _) in merged.runs.items():
            if source.uri != places[key].uri:
                copy_run(source, places[key])
        finished = [found for _, found in merged.runs.values()]
        unfinished: list[Unfinished] = [
            {"dataset": dataset, "variant": variant, "state": "not run", "reason": redacted(why)}
            for (dataset, variant), why in merged.unfinished.items()
        ]
        emit_study(output, target, study, finished, unfinished)
