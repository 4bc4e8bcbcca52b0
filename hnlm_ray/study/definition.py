"""What a study's folder says of itself, and the finished runs that it holds."""

from __future__ import annotations

from typing import Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.redaction import redacted
from hnlm_ray.config.study import StudyConfig
from hnlm_ray.study.study_file import run_folder
from hnlm_ray.workspace import Workspace

DEFINITION: Final = "definition.json"


def write_definition(workspace: Workspace, study: StudyConfig) -> None:
    """Note which study the folder is of; what its runs build on stands in the runs' own configurations."""
    own = study.model_copy(
        update={
            "workspace": redacted(study.workspace),
            "base": {},
            "datasets": tuple(one.model_copy(update={"changes": {}}) for one in study.datasets),
            "variants": tuple(one.model_copy(update={"changes": {}}) for one in study.variants),
        }
    )
    workspace.write_json(DEFINITION, own)


def read_definition(workspace: Workspace) -> StudyConfig:
    """Return which study a folder is of.

    Raises
    ------
    InputError
        It holds none.
    """
    found = workspace.read_json(DEFINITION, StudyConfig)
    if found is None:
        raise InputError(f"{workspace.uri} holds no study ({DEFINITION} is missing or damaged): name a study's folder")
    return found


def run_workspaces(workspace: Workspace, study: StudyConfig) -> dict[tuple[str, str], Workspace]:
    """Return the folder of each run of a study, by data set and variant."""
    return {
        (dataset.name, variant.name): Workspace.open(run_folder(workspace.uri, dataset.name, variant.name))
        for dataset in study.datasets
        for variant in study.all_variants
    }
