"""The comparison, and the recommendations of the model that it chose."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from hnlm_ray.config.base import Count, MethodName, MetricName, ModelName, Section
from hnlm_ray.config.spaces import (
    DEFAULT_METHODS,
    ROLE,
    SpaceConfig,
    check_method,
    classical_methods,
    is_classical,
    shipped_methods,
)


class RecommendConfig(Section):
    """The model that recommends, and how much it gives each user."""

    k: Count = Field(
        20, description="Items a user gets; one without a positive in what the model is trained on goes to nobody."
    )
    train_on: Literal["all", "train"] = Field(
        "all",
        description="all: the chosen method is trained anew on every positive, held-out ones too (nothing is measured "
        "on it); train: on training rows alone, so that its lists can be checked against the held-out ones.",
    )
    seen: Literal["drop", "keep"] = Field(
        "drop",
        description="keep: lists may hold what a user chose before (what is bought again); drop: new items alone, as "
        "the comparison measures.",
    )


LEAST_SHARE: Final = 0.01
"""Of a CPU or GPU: Ray counts in steps of a ten-thousandth, and takes less for none."""


class TuneConfig(Section):
    """The comparison: methods with equal budgets, choice on validation, test read once."""

    spaces: dict[MethodName, SpaceConfig] = Field(
        {},
        description="Changes of methods' search spaces, merged into the shipped ones; under a new name, a method of "
        "your own. Either can be the path of a YAML file.",
    )
    methods: Annotated[tuple[MethodName, ...], Field(min_length=1)] = Field(
        DEFAULT_METHODS,
        description="By default all of the LLM's negatives that the run makes data for: without finetune.enabled or "
        "embeddings.pairs_per_user no hnlmrec*, and where negatives.pairs_per_user is 0 as well no pool*. Controls by "
        "the items' facts alone are left out where item_text is facts.",
    )
    models: Annotated[tuple[ModelName, ...], Field(min_length=1)] = ("lightgcn",)
    item_text: Literal["profiles", "facts"] = Field(
        "profiles",
        description="What methods read of an item. profiles: title and the LLM's profile; facts: title, attributes and "
        "description as given, else its training users' reviews; no LLM is asked for them.",
    )
    search: Literal["random", "tpe"] = Field(
        "random",
        description="How trials are chosen. random: methods share the draws of what they share; "
        "tpe: after startup_trials each method by its own trials so far (Optuna).",
    )
    trials: Count = Field(
        8,
        description="Trials of every method in each search (one of a method that searches nothing); the first is the "
        "`cf` section, its defaults at the published values.",
    )
    searches: Count = Field(
        1,
        description="Independent searches of each method, each with its own draws and refits: only with two or more, "
        "and 20 trials in all, a result speaks of methods, not of configurations.",
    )
    cpu_seconds: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="CPU seconds of each search of every method, equal for all; `trials` is then the most of a search.",
    )
    startup_trials: Count = Field(10, description="tpe: trials of a method that are drawn at random first.")
    stopping: Literal["none", "asha", "median"] = Field(
        "none", description="Ends trials that fall behind: asha (halving) or the median of the others."
    )
    grace_epochs: Count = Field(5, description="asha, median: epochs that every trial gets.")
    seeds: Annotated[int, Field(ge=2)] = Field(3, description="Refits of each winner, each with its own seed.")
    cutoffs: Annotated[tuple[Count, ...], Field(min_length=1)] = (10, 20)
    metric: MetricName = Field("ndcg@20", description="Chosen and compared by this metric.")
    concurrent: Count = Field(2, description="Trials at the same time.")
    cpus_per_trial: Annotated[float, Field(ge=LEAST_SHARE)] = Field(
        1, description="CPUs of a trial, also a part of one."
    )
    gpus_per_trial: Annotated[float, Field(ge=0, le=1)] = Field(
        0, description="GPUs of a trial: none, one, or a part of one."
    )
    lost: Literal["stop", "leave_out"] = Field(
        "stop",
        description="Trainings whose process was lost twice (killed, out of memory). stop: the stage ends with an "
        "error once all others are done, and its next start makes them again; leave_out: it goes on without them, and "
        "they count as no method's fault.",
    )
    tensorboard: bool = Field(
        default=False, description="Write each training's curve below <workspace>/tensorboard, a local one."
    )

    def fitted(self, *, pool: bool, vectors: bool) -> TuneConfig:
        """Return it with the default methods that have a pool or vectors to train on; methods that were chosen stay.

        So do not those by facts alone, where the methods read facts anyway.
        """
        if "methods" in self.model_fields_set:
            return self
        absent = tuple(kind for kind, made in (("pool", pool), ("hnlmrec", vectors)) if not made)
        same = {"guard_facts"} if self.item_text == "facts" else set()
        kept = tuple(name for name in self.methods if not name.startswith(absent) and name not in same)
        return self if kept == self.methods else self.model_copy(update={"methods": kept})

    @field_validator("methods", "models", "cutoffs")
    @classmethod
    def _names_each_once(cls, values: tuple[str | int, ...]) -> tuple[str | int, ...]:
        if repeated := sorted({str(value) for value in values if values.count(value) > 1}):
            raise ValueError(f"name {', '.join(repeated)} once")
        return values

    @field_validator("gpus_per_trial")
    @classmethod
    def _is_more_than_a_crumb(cls, gpus: float) -> float:
        if 0 < gpus < LEAST_SHARE:
            raise ValueError(f"it must be 0, or {LEAST_SHARE} to 1")
        return gpus

    @field_validator("spaces")
    @classmethod
    def _keep_what_a_shipped_method_is(cls, spaces: dict[str, SpaceConfig]) -> dict[str, SpaceConfig]:
        for name, given in spaces.items():
            changed = [word for word in ROLE if getattr(given, word) is not None]
            if changed and name in shipped_methods():
                told = ", ".join(changed)
                raise ValueError(f"{name} is a shipped method, so its {told} can't be changed: give yours another name")
        return spaces

    @field_validator("methods")
    @classmethod
    def _are_there(cls, methods: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for name in methods if "spaces" in info.data else ():  # what is wrong there is told there
            check_method(name, info.data["spaces"])
        return methods

    @field_validator("methods")
    @classmethod
    def _holds_a_classical_method(cls, methods: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "spaces" not in info.data:
            return methods
        own = {name for name, given in info.data["spaces"].items() if given.family in {"classical", None}}
        if not own & set(methods) and not any(map(is_classical, methods)):
            raise ValueError(f"it needs a classical one to compare with ({', '.join(classical_methods())})")
        return methods

    @field_validator("metric")
    @classmethod
    def _is_measured(cls, metric: str, info: ValidationInfo) -> str:
        cutoffs = info.data.get("cutoffs")
        if cutoffs is not None and int(metric.split("@")[1]) not in cutoffs:
            raise ValueError(f"it needs its cut-off in tune.cutoffs {list(cutoffs)}")
        return metric
