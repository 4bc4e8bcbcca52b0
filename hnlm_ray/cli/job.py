"""What the scripts in ``jobs/`` do: a command of the pipeline on the cluster that runs the job."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hnlm_ray.cli import main


def job_arguments(stage: str | None, given: Sequence[str]) -> list[str]:
    """Return the command line of a job; Ray names the cluster to it through ``RAY_ADDRESS``."""
    return ["run" if stage is None else "stage", *([] if stage is None else [stage]), *given]


def run_job(stage: str | None = None) -> None:
    """Run one stage (none: all of them) with the arguments of this process."""
    main(job_arguments(stage, sys.argv[1:]))
