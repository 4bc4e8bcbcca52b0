"""The methods of the comparison as data: what each trains on, what it searches, and what it controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from hnlm_ray.config import MethodName, ModelName
from hnlm_ray.errors import InputError
from hnlm_ray.tune.dimensions import Choice, Depends, LogUniform, Space, Uniform, Value

Family = Literal["classical", "semantic", "control"]
Reads = Literal[
    "nothing",
    "pool",
    "random_pool",
    "shuffled_pool",
    "vectors",
    "random_vectors",
    "shuffled_vectors",
    "text",
    "shuffled_text",
]


@dataclass(frozen=True)
class Method:
    """One method.

    Parameters
    ----------
    family
        classical: knows no text; semantic: uses what the LLM wrote; control: a semantic method without its meaning.
    sampler
        The sampler that it trains with.
    reads
        What it needs beside the positives.
    own
        What it alone searches. Methods with the same ``stream`` draw the same values of it.
    fixed
        Values that hold in every trial; they are not searched.
    published
        Values of its first trial where the configuration leaves the default.
    controls
        The semantic method that it is a control of.
    """

    family: Family
    sampler: Literal["rns", "pns", "dns", "pool", "vectors"]
    reads: Reads
    own: Space
    stream: int
    fixed: Mapping[str, Value]
    published: Mapping[str, Value]
    controls: MethodName | None = None


_CANDIDATES: Final = Choice((2, 4, 8, 16, 32))
_POWER: Final = Uniform(0.25, 1.0)
_BASE: Final[Space] = {
    "base_sampler": Choice(("rns", "pns", "dns")),
    "candidates": _CANDIDATES,
    "popularity_power": _POWER,
}
_VECTORS: Final[Space] = {
    "alpha": LogUniform(1e-4, 0.5),
    **_BASE,
    "loss": Choice(("bpr", "hinge")),
    "contrastive": Choice((0.0, 1e-3, 1e-2, 1e-1)),
    "adapter_training": Choice(("joint", "alignment")),
    "alignment": Depends(
        "adapter_training",
        {"joint": Choice((0.0, 0.01, 0.1, 1.0)), "alignment": Choice((0.01, 0.1, 1.0))},
    ),
    "adapter_attention": Choice((False, True)),
}
_GUARD: Final[Space] = {
    "guard": Choice((0.0, 0.3, 0.5, 1.0)),
    "candidates": Choice((4, 8, 16, 32)),
    "guard_features": Choice(("full", "text")),
    "graph": Choice((0.0, 0.1, 0.3, 1.0)),
}
# Guard and graph belong to the methods of these names alone: elsewhere they would bring text into a method without.
_NO_TEXT: Final[Mapping[str, Value]] = {"guard": 0.0, "graph": 0.0}
_POOL_METHOD: Final = Method(
    "semantic", "pool", "pool", {"alpha": LogUniform(0.05, 1.0), **_BASE}, 4, _NO_TEXT, published={}
)
_HNLMREC: Final = Method("semantic", "vectors", "vectors", _VECTORS, 5, _NO_TEXT, published={"alpha": 1e-2})
_GUARDED: Final = Method("semantic", "dns", "text", _GUARD, 6, {}, published={"guard": 0.5, "graph": 0.3})


def _control(of: MethodName, method: Method, reads: Reads, **fixed: Value) -> Method:
    return replace(method, family="control", reads=reads, fixed={**method.fixed, **fixed}, controls=of)


METHODS: Final[Mapping[MethodName, Method]] = {
    "rns": Method("classical", "rns", "nothing", {}, 1, _NO_TEXT, published={}),
    "pns": Method("classical", "pns", "nothing", {"popularity_power": _POWER}, 2, _NO_TEXT, published={}),
    "dns": Method("classical", "dns", "nothing", {"candidates": _CANDIDATES}, 3, _NO_TEXT, published={}),
    "pool": _POOL_METHOD,
    "pool_alpha0": _control("pool", _POOL_METHOD, "pool", alpha=0.0),
    "pool_random": _control("pool", _POOL_METHOD, "random_pool"),
    "pool_shuffled": _control("pool", _POOL_METHOD, "shuffled_pool"),
    "hnlmrec": _HNLMREC,
    "hnlmrec_alpha0": _control(
        "hnlmrec", _HNLMREC, "vectors", alpha=0.0, contrastive=0.0, adapter_training="joint", alignment=0.0
    ),
    "hnlmrec_random": _control("hnlmrec", _HNLMREC, "random_vectors"),
    "hnlmrec_shuffled": _control("hnlmrec", _HNLMREC, "shuffled_vectors"),
    "hnlmrec_frozen": _control("hnlmrec", _HNLMREC, "vectors", adapter_training="frozen", alignment=0.0),
    "guard": _GUARDED,
    "guard_no_text": _control("guard", _GUARDED, "nothing", guard_features="cf", graph=0.0),
    "guard_shuffled": _control("guard", _GUARDED, "shuffled_text"),
}


def result_name(model: ModelName, method: MethodName) -> str:
    """Return the name in tables and results, such as 'lightgcn-dns'."""
    return f"{model}-{method}"


def method_of(name: str) -> MethodName:
    """Return the method of a result's name, or of its own; InputError for any other name."""
    for method in METHODS:
        if name.rpartition("-")[2] == method:
            return method
    raise InputError(f"unknown method {name!r}; use one of {', '.join(METHODS)}")


def family(name: str) -> Family:
    """Return whether a method, or a result's name, is 'classical', 'semantic' or 'control'; InputError for others."""
    return METHODS[method_of(name)].family


def controls_of(name: str) -> list[str]:
    """Return the names of a semantic result's own controls, of the same model; InputError for an unknown name."""
    of, model = method_of(name), name.rpartition("-")[0]
    return [f"{model}-{control}" for control, entry in METHODS.items() if entry.controls == of]


def reads_text(methods: Sequence[MethodName]) -> bool:
    """Tell whether one of the methods reads text vectors of items."""
    return any(METHODS[method].reads.endswith("text") for method in methods)
