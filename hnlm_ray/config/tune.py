"""The comparison."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field, ValidationInfo, field_validator

from hnlm_ray.config.base import Count, MethodName, MetricName, ModelName, Section


class TuneConfig(Section):
    """The comparison: methods with equal budgets, choice on validation, test read once."""

    methods: Annotated[tuple[MethodName, ...], Field(min_length=1)] = Field(
        get_args(MethodName),
        description="By default all that the run makes data for: without finetune.enabled or "
        "embeddings.pairs_per_user no hnlmrec*, and where negatives.pairs_per_user is 0 as well no pool*.",
    )
    models: Annotated[tuple[ModelName, ...], Field(min_length=1)] = ("lightgcn",)
    trials: Count = Field(
        8, description="Trials of every method; the first is the `cf` section, its defaults at the published values."
    )
    seeds: Annotated[int, Field(ge=2)] = Field(3, description="Refits of each winner, each with its own seed.")
    cutoffs: Annotated[tuple[Count, ...], Field(min_length=1)] = (10, 20)
    metric: MetricName = Field("ndcg@20", description="Chosen and compared by this metric.")
    concurrent: Count = Field(2, description="Trials at the same time.")
    cpus_per_trial: Annotated[float, Field(gt=0)] = 1
    gpus_per_trial: Annotated[float, Field(ge=0)] = 0

    def fitted(self, *, pool: bool, vectors: bool) -> TuneConfig:
        """Return it with the default methods that have a pool or vectors to train on; methods that were chosen stay."""
        absent = tuple(kind for kind, made in (("pool", pool), ("hnlmrec", vectors)) if not made)
        if not absent or "methods" in self.model_fields_set:
            return self
        return self.model_copy(update={"methods": tuple(name for name in self.methods if not name.startswith(absent))})

    @field_validator("methods", "models", "cutoffs")
    @classmethod
    def _names_each_once(cls, values: tuple[str | int, ...]) -> tuple[str | int, ...]:
        if repeated := sorted({str(value) for value in values if values.count(value) > 1}):
            raise ValueError(f"name {', '.join(repeated)} once")
        return values

    @field_validator("methods")
    @classmethod
    def _holds_a_classical_method(cls, methods: tuple[MethodName, ...]) -> tuple[MethodName, ...]:
        if not {"rns", "pns", "dns"} & set(methods):
            raise ValueError("it needs a classical one (rns, pns or dns) to compare with")
        return methods

    @field_validator("metric")
    @classmethod
    def _is_measured(cls, metric: str, info: ValidationInfo) -> str:
        cutoffs = info.data.get("cutoffs")
        if cutoffs is not None and int(metric.split("@")[1]) not in cutoffs:
            raise ValueError(f"it needs its cut-off in tune.cutoffs {list(cutoffs)}")
        return metric
