"""Marks in the workspace that say which settings have read test.

A mark is written before test is read, so a run that is killed in between can't read it again with others unnoticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from hnlm_ray.tune.job import Job
from hnlm_ray.workspace import Workspace


class ReadOfTest(BaseModel):
    """The settings that have read test for one method and seed."""

    model_config = ConfigDict(extra="ignore")

    settings: list[str]


@dataclass(frozen=True)
class ReadsOfTest:
    """The marks of one split of the data; picklable, so that workers set them.

    Parameters
    ----------
    data
        Names the interactions: another split has another test.
    """

    workspace: Workspace
    data: str

    def mark(self, job: Job) -> None:
        """Note that a training reads test now."""
        before, own = self._settings(job), _digest(job)
        if own not in before:
            self.workspace.write_json(self._path(job), ReadOfTest(settings=[*before, own]))

    def repeated(self, jobs: Sequence[Job]) -> int:
        """Count the trainings for whose method and seed test has been read with other settings too."""
        return sum(len(self._settings(job)) > 1 for job in jobs)

    def _settings(self, job: Job) -> list[str]:
        found = self.workspace.read_json(self._path(job), ReadOfTest)
        return [] if found is None else found.settings

    def _path(self, job: Job) -> str:
        return f"test_reads/{self.data[:16]}/{job.part}.json"


def _digest(job: Job) -> str:
    text = json.dumps(job.config.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
