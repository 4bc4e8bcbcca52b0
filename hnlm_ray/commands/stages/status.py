"""``hnlm status``."""

from __future__ import annotations

from typing import TypedDict

from hnlm_ray.base.text import redacted
from hnlm_ray.commands.output import Output
from hnlm_ray.commands.stages.stage_rows import StageRow, show_status, stage_row
from hnlm_ray.config import Config
from hnlm_ray.pipeline.status import made_on_request, statuses
from hnlm_ray.plan.figures import PLAN_FILE, PlanFile
from hnlm_ray.workspace import Workspace


class StatusAnswer(TypedDict):
    """What ``hnlm status --json`` prints."""

    workspace: str
    stages: list[StageRow]


def report_status(config: Config, workspace: Workspace, output: Output) -> None:
    """Print where each stage stands, and what was planned of it; reads only."""
    kept = workspace.read_json(PLAN_FILE, PlanFile)
    promises = kept.promises if kept else {}
    known = statuses(config, workspace, asked=made_on_request(workspace))
    rows = [stage_row(status, workspace, promises.get(status.stage.name)) for status in known]
    answer: StatusAnswer = {"workspace": redacted(workspace.uri), "stages": rows}
    output.emit(answer, lambda console: show_status(console, answer["workspace"], rows))
