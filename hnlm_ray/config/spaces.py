"""Search spaces, as a file or a configuration writes them; docs/sweeps.md has examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from hnlm_ray.base.outside import check_outside
from hnlm_ray.config.base import AnyModel, MethodName, ModelName, Section
from hnlm_ray.config.controls import check_controls

Setting = bool | int | float | str
Bounds = tuple[float, float]
Whole = tuple[Annotated[int, Field(strict=True)], Annotated[int, Field(strict=True)]]


class RangeConfig(Section):
    """The values that one parameter may take: exactly one of its keys is given."""

    model_config = ConfigDict(serialize_by_alias=True)
    kinds: ClassVar[tuple[str, ...]] = ("choice", "uniform", "log_uniform", "int", "log_int")

    choice: Annotated[tuple[Setting, ...], Field(min_length=1)] | None = Field(None, description="One of a few values.")
    uniform: Bounds | None = Field(None, description="A number between two bounds.")
    log_uniform: Bounds | None = Field(None, description="The same, uniform in its logarithm.")
    whole: Whole | None = Field(None, alias="int", description="A whole number between two bounds, both included.")
    log_int: Whole | None = Field(None, description="The same, uniform in its logarithm.")

    @field_validator("uniform", "log_uniform", "whole", "log_int")
    @classmethod
    def _rises(cls, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
        if bounds is not None and bounds[0] >= bounds[1]:
            raise ValueError(f"the lower bound {bounds[0]:g} must stand first and below the upper one {bounds[1]:g}")
        return bounds

    @field_validator("log_uniform", "log_int")
    @classmethod
    def _has_a_logarithm(cls, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
        if bounds is not None and bounds[0] <= 0:
            raise ValueError(f"a logarithm needs bounds above 0, not {bounds[0]:g}")
        return bounds

    @field_validator("choice")
    @classmethod
    def _names_each_once(cls, values: tuple[Setting, ...] | None) -> tuple[Setting, ...] | None:
        texts = [setting_text(value) for value in values or ()]
        if repeated := sorted({text for text in texts if texts.count(text) > 1}):
            raise ValueError(f"name {', '.join(repeated)} once")
        return values

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> RangeConfig:
        given = [kind for kind in self.kinds if getattr(self, "whole" if kind == "int" else kind, None) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(self.kinds)}, not {' and '.join(given) or 'none of them'}")
        return self


class DimensionConfig(RangeConfig):
    """A range, or one for each value of another parameter: where that has another value, there is no such parameter."""

    kinds: ClassVar[tuple[str, ...]] = (*RangeConfig.kinds, "when")

    when: str | None = Field(None, description="The parameter that it depends on, which stands before it.")
    branches: dict[str, RangeConfig] | None = Field(None, alias="is", description="A range for each of its values.")

    @field_validator("branches", mode="before")
    @classmethod
    def _by_text(cls, branches: object) -> object:
        if not isinstance(branches, Mapping):
            return branches
        return {setting_text(value): branch for value, branch in branches.items()}

    @model_validator(mode="after")
    def _has_branches_for_its_condition(self) -> DimensionConfig:
        if (self.when is None) != (not self.branches):
            raise ValueError("`when` names a parameter and `is` a range for each of its values: give both or neither")
        return self


Settings = dict[str, Setting | None]
Family = Literal["classical", "semantic", "text", "control"]
Reads = Literal[
    "nothing",
    "pool",
    "random_pool",
    "shuffled_pool",
    "facts_pool",
    "triples",
    "shuffled_triples",
    "facts_triples",
    "vectors",
    "random_vectors",
    "shuffled_vectors",
    "teacher_vectors",
    "item_vectors",
    "text",
    "shuffled_text",
    "facts_text",
    "evidence",
    "shuffled_evidence",
]


class SpaceConfig(Section):
    """A method: what it is, and what it searches. Under a shipped name, what a run changes of it; null takes away."""

    file: str | None = Field(None, description="Path of a YAML file with these keys; what is given beside it wins.")
    family: Family | None = Field(None, description="What it is in the comparison.")
    extends: str | None = Field(None, description="The method or part that it adds to.")
    models: Literal["any"] | Annotated[tuple[ModelName, ...], Field(min_length=1)] | None = Field(
        None, description="Those of tune.models that it runs on; where nothing says it, any."
    )
    model: AnyModel | None = Field(
        None, description="Of a method that is a model itself; module:Class is one of your own."
    )
    reads: Reads | None = Field(None, description="What it needs beside the positives.")
    controls: Annotated[tuple[str, ...], AfterValidator(check_controls)] | None = Field(
        None, description="What is taken away from it, a control each: the words of hnlm_ray/config/controls.py."
    )
    control_of: str | None = Field(None, description="Of a control of your own: the method that it controls.")
    nests: tuple[MethodName, ...] | None = Field(
        None,
        description="Methods of whose best by validation it takes the sampler and all settings; it searches what it "
        "adds.",
    )
    without_text: str | None = Field(None, description="The same method by behaviour alone: what text adds to it.")
    fixed: Settings = Field({}, description="Values that hold in every trial, by their names within `cf`.")
    published: Settings = Field({}, description="Values of the first trial where `cf` leaves its default.")
    space: dict[str, DimensionConfig | None] = Field({}, description="What is searched.")

    @field_validator("fixed", "published")
    @classmethod
    def _names_a_sampler(cls, settings: Settings) -> Settings:
        check_outside(settings.get("sampler"), "cf.sampler")
        return settings

    @field_validator("space")
    @classmethod
    def _searches_samplers(cls, space: dict[str, DimensionConfig | None]) -> dict[str, DimensionConfig | None]:
        searched = space.get("sampler")
        for one in () if searched is None else (searched, *(searched.branches or {}).values()):
            for value in one.choice or ():
                check_outside(value, "cf.sampler")
        return space


Spaces = Mapping[str, SpaceConfig]
ROLE: Final = ("family", "extends", "model", "reads", "controls", "control_of", "nests", "without_text")
"""What makes a method what it is: a run can't change these of a shipped one."""


def setting_text(value: object) -> str:
    """Return a value as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
