"""Search spaces, as a file or a configuration writes them; docs/sweeps.md has examples.

Methods are named by their files below ``hnlm_ray/methods/spaces``, controls by a word in these.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from hnlm_ray.base.outside import check_outside
from hnlm_ray.config.base import AnyModel, MethodName, ModelName, Section
from hnlm_ray.config.controls import check_controls, control_names

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


STANDING_BASELINES: Final = ("popularity", "softmax", "ease", "fusion_cf")
"""Classical methods that take seconds and are often the best: a gain that is told without them says so."""
DEFAULT_METHODS: Final = (
    *("popularity", "rns", "pns", "dns", "softmax", "ease", "fusion_cf"),
    *("pool", "pool_alpha0", "pool_random", "pool_shuffled", "pool_facts"),
    *("hnlmrec", "hnlmrec_alpha0", "hnlmrec_random", "hnlmrec_shuffled", "hnlmrec_frozen"),
    *("hnlmrec_teacher", "hnlmrec_item"),
    *("guard", "guard_no_text", "guard_shuffled", "guard_facts"),
)
Words = tuple[str, ...]


@lru_cache(maxsize=1)
def shipped_spaces() -> Mapping[str, Any]:
    """Return the shipped files by the names of their methods and parts, whichever folder each is in."""
    folders = [folder for folder in (files("hnlm_ray") / "methods" / "spaces").iterdir() if folder.is_dir()]
    entries = [entry for folder in folders for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    return {entry.name.removesuffix(".yaml"): entry for entry in entries}


@lru_cache(maxsize=1)
def shipped_methods() -> tuple[str, ...]:
    """Return the methods that come with the package and their controls, by name; parts of others begin with _."""
    return tuple(sorted(_with_controls({name: _words(name, {}) for name in shipped_trees() if name[0] != "_"})))


@lru_cache(maxsize=1)
def classical_methods() -> tuple[str, ...]:
    """Return those of the shipped methods that are of the family 'classical'."""
    return tuple(name for name in sorted(shipped_trees()) if name[0] != "_" and _family(name) == "classical")


def is_classical(name: str) -> bool:
    """Tell whether a method is one of these; of a standing baseline no file is read."""
    return name in STANDING_BASELINES or name in classical_methods()


def _family(name: str) -> object:
    tree = shipped_trees()[name]
    return tree.get("family") or (_family(tree["extends"]) if "extends" in tree else None)


def method_names(own: Spaces) -> tuple[str, ...]:
    """Return the names that ``tune.methods`` may hold: shipped methods, a run's own, and the controls of both."""
    named = {name: _words(name, own) for name in own}
    return tuple(sorted({*shipped_methods(), *_with_controls(named)}))


def control_word(name: str, own: Spaces) -> tuple[str, str] | None:
    """Return method and word of a control's name; none of what is a method itself, or is unknown."""
    method, parts = "", name.split("_")
    for place in range(1, len(parts)):
        method, word = "_".join(parts[:place]), "_".join(parts[place:])
        known = method in own or (method in shipped_trees() and method[0] != "_")
        if known and word in _words(method, own) and name not in shipped_trees():
            return method, word
    return None


def check_method(name: str, own: Spaces | None = None) -> None:
    """Raise ValueError for a name that is neither shipped nor the user's own, nor a control of one."""
    if name in DEFAULT_METHODS:  # no file is read for a configuration that names nothing else
        return
    known = method_names(own or {})
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        told = f"did you mean '{near[0]}'" if near else f"use one of {', '.join(known)}"
        raise ValueError(f"there is no method '{name[:80]}': {told}")


def _with_controls(named: Mapping[str, Words]) -> set[str]:
    return {*named, *(control for name, words in named.items() for control in control_names(name, words))}


def _words(name: str, own: Spaces, below: Words = ()) -> Words:
    """Return a method's controls, its own or those of what it extends; none of what can't be followed."""
    given, shipped = own.get(name), shipped_trees().get(name, {})
    if given is not None and given.controls is not None:
        return given.controls
    if shipped.get("controls") is not None:
        return tuple(shipped["controls"])
    if given is not None and given.control_of is not None:
        return ()
    base = (given.extends if given is not None else None) or shipped.get("extends")
    return _words(base, own, (*below, name)) if base is not None and base not in (*below, name) else ()


@lru_cache(maxsize=1)
def shipped_trees() -> Mapping[str, Mapping[str, Any]]:
    """Return what the shipped files hold, by name; each is parsed once a process."""
    # The CF engine reads the configuration's sections and no YAML.
    from hnlm_ray.base.yaml_text import parse_yaml

    return {name: parse_yaml(entry.read_text(encoding="utf-8")) for name, entry in shipped_spaces().items()}
