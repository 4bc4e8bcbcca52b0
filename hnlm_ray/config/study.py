"""A study: data sets, variants and methods that are compared together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, field_validator

from hnlm_ray.config.base import Count, MethodName, MetricName, Section

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
ClaimName = Literal["semantic", "sparsity", "popularity", "false_negatives", "convergence", "generalisation"]
WHOLE: Final = "main"
"""The variant of a study that names none."""
_OF_THE_STUDY: Final[tuple[str, ...]] = ("name", "workspace", "stages", "extends")
_OF_ITS_TUNE: Final = ("methods", "searches", "seeds", "metric")


class Changes(Section):
    """A name, and the values of a run's configuration that it stands for."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: Name
    changes: dict[str, Any] = Field({}, alias="set", description="Sections of a run's configuration, as its file has.")

    @field_validator("changes")
    @classmethod
    def _leaves_the_study_alone(cls, changes: dict[str, Any]) -> dict[str, Any]:
        tune = changes.get("tune")
        fixed = [name for name in _OF_THE_STUDY if name in changes]
        fixed += [f"tune.{name}" for name in _OF_ITS_TUNE if isinstance(tune, dict) and name in tune]
        if fixed:
            raise ValueError(f"{', '.join(fixed)} is the study's own, the same for all its runs")
        return changes


class StudyConfig(Section):
    """A whole study."""

    name: Name = Field(description="Names the study in what it writes.")
    workspace: str = Field(min_length=1, description="Folder of the study: its runs' folders lie in it.")
    base: str | dict[str, Any] = Field(
        {}, description="What all runs build on: a run's YAML file beside this one, a shipped preset, or keys of a run."
    )
    datasets: Annotated[tuple[Changes, ...], Field(min_length=1)]
    variants: tuple[Changes, ...] = Field(
        (), description="Each data set is run in each of them; ranks and most claims are about the first."
    )
    methods: Annotated[tuple[MethodName, ...], Field(min_length=1)]
    searches: Count = Field(
        3, description="Independent searches of each method in each run; costs so many times as many trainings."
    )
    seeds: Annotated[int, Field(ge=2)] = Field(3, description="Refits of each search's winner.")
    metric: MetricName = Field("ndcg@20", description="Chosen and compared by this metric.")
    claims: tuple[ClaimName, ...] = Field((), description="Of the paper's claims those that get a verdict each.")

    @field_validator("datasets", "variants")
    @classmethod
    def _have_a_name_each(cls, values: tuple[Changes, ...]) -> tuple[Changes, ...]:
        _reject_repeated([value.name.casefold() for value in values])  # folders of a Mac don't tell A from a
        return values

    @field_validator("methods", "claims")
    @classmethod
    def _are_named_once(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        _reject_repeated(values)
        return values

    @property
    def all_variants(self) -> tuple[Changes, ...]:
        """The variants, or the one of a study that names none."""
        return self.variants or (Changes(name=WHOLE),)


def _reject_repeated(names: Sequence[str]) -> None:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"name {', '.join(repeated)} once")
