"""The document names each key of the answers that have types."""

import pytest

from hnlm_ray.commands import run
from hnlm_ray.commands.results import report
from hnlm_ray.commands.stages import failures as failed_rows
from hnlm_ray.commands.stages import follow, stage_rows, status

SECTIONS = {
    "hnlm run": (run.RunAnswer,),
    "hnlm stage": (run.RetryCounts,),
    "hnlm report": (report.ReportAnswer,),
    "hnlm status": (
        *(status.StatusAnswer, stage_rows.StageRow, stage_rows.RowCounts, stage_rows.TokenCounts, stage_rows.Foreseen),
        *(follow.Look, follow.SweepLook, follow.BestTraining),
    ),
    "hnlm failures": (failed_rows.FailedStage, failed_rows.FailureGroup, stage_rows.TokenCounts),
}


@pytest.mark.parametrize("command", SECTIONS)
def test_the_document_names_every_key(repository, command):
    document = (repository / "docs" / "commands.md").read_text(encoding="utf-8")
    section = document.split(f"\n## {command}\n")[1].split("\n## ")[0]
    for kind in SECTIONS[command]:
        assert [name for name in kind.__annotations__ if f'"{name}"' not in section] == [], kind.__name__
