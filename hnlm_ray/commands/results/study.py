"""``hnlm study``: runs a study's runs one after the other, and says what they tell together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from hnlm_ray.base.errors import HnlmError, StageError
from hnlm_ray.base.redaction import redacted, redacted_tree
from hnlm_ray.commands.invocation import Invocation
from hnlm_ray.commands.output import Output
from hnlm_ray.commands.results.study_answer import emit_study
from hnlm_ray.commands.stages.execution import Execution
from hnlm_ray.commands.stages.narration import say
from hnlm_ray.config import Config
from hnlm_ray.pipeline.status import statuses, what_differs
from hnlm_ray.study.claims.answer import Unfinished
from hnlm_ray.study.definition import write_definition
from hnlm_ray.study.finished import CONFIG_FILE, FinishedRun, read_finished
from hnlm_ray.study.study_file import PlannedRun, Study
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.folder import first_line
from hnlm_ray.workspace.session import Session


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
    from hnlm_ray.study.definition import run_workspaces
    from hnlm_ray.study.merge import copy_run, look_at

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
