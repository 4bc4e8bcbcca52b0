"""From a study's YAML file to the configuration of each of its runs, and from its folder to those that are finished."""

from __future__ import annotations

import shlex
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hnlm_ray.base.errors import ConfigError, InputError
from hnlm_ray.base.text import redacted
from hnlm_ray.config import Config
from hnlm_ray.config.loading import is_run, validated
from hnlm_ray.config.presets import base_tree, merged, read_preset, with_space_files
from hnlm_ray.config.study import Changes, StudyConfig
from hnlm_ray.workspace import Workspace

_NAME_CHARS: Final = 64
_SEEDS: Final = 1_000_000


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study: a data set in a variant."""

    dataset: str
    variant: str
    config: Config

    @property
    def name(self) -> str:
        """Its name in texts."""
        return f"{self.dataset}/{self.variant}"


@dataclass(frozen=True)
class Study:
    """A study's file, and its runs in order."""

    config: StudyConfig
    runs: tuple[PlannedRun, ...]

    def of(self, datasets: Sequence[str]) -> tuple[PlannedRun, ...]:
        """Return the runs of these data sets, of all without any.

        Raises
        ------
        InputError
            The study has no such data set.
        """
        known = [dataset.name for dataset in self.config.datasets]
        if unknown := sorted(set(datasets) - set(known)):
            raise InputError(f"the study has no data set '{unknown[0][:80]}': name one of {', '.join(known)}")
        return tuple(run for run in self.runs if not datasets or run.dataset in datasets)


def load_study(path: str, workspace: str | None = None) -> Study:
    """Read a study's file and work out its runs' configurations.

    Raises
    ------
    ConfigError
        With one line for each value that is wrong, in the file or in what a run's configuration becomes with it; or it
        is a run's file.
    """
    tree = read_preset(path)
    if is_run(tree):
        raise ConfigError(f"{path} is a run's file, not a study's: use `hnlm run --config {shlex.quote(path)}`")
    if workspace is not None:
        tree["workspace"] = workspace
    study = validated(StudyConfig, tree, [], path)
    base = base_tree(study.base, path)
    pairs = [(dataset, variant) for dataset in study.datasets for variant in study.all_variants]
    return Study(study, tuple(_planned(study, base, *pair, path) for pair in pairs))


def run_folder(workspace: str, dataset: str, variant: str) -> str:
    """Return the folder of a run below a study's."""
    return f"{workspace.rstrip('/')}/runs/{dataset}/{variant}"


def seed_of(seed: int, dataset: str) -> int:
    """Return a data set's seed: by its name, so that its searches draw other configurations than other data sets' do.

    From one seed all would try the same ones, and a lucky draw would look like agreement of the data sets.
    """
    return (seed + zlib.crc32(dataset.encode())) % _SEEDS


def _planned(study: StudyConfig, base: dict[str, Any], dataset: Changes, variant: Changes, path: str) -> PlannedRun:
    tree = merged(merged(base, dataset.changes), variant.changes)
    own = {
        "name": f"{dataset.name}-{variant.name}"[:_NAME_CHARS],
        "workspace": run_folder(study.workspace, dataset.name, variant.name),
        "stages": "needed",
        "tune": {
            "methods": list(study.methods),
            "searches": study.searches,
            "seeds": study.seeds,
            "metric": study.metric,
        },
    }
    place = f"{path}, data set {dataset.name}, variant {variant.name}"
    if not isinstance(tree.get("tune", {}), dict):
        raise ConfigError(f"{place}: tune holds no section of keys and values: mend it and run again")
    config = validated(Config, with_space_files(merged(tree, own)), [], place)
    if "seed" not in {**dataset.changes, **variant.changes}:
        config = config.model_copy(update={"seed": seed_of(config.seed, dataset.name)})
    return PlannedRun(dataset.name, variant.name, config)


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
