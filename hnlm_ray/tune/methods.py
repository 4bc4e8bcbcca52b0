"""The methods by name: those that come with the package, those of a run, and what results call them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from hnlm_ray.config import Config, MethodName, ModelName, TuneConfig
from hnlm_ray.config.method_names import shipped_methods
from hnlm_ray.config.spaces import Family, Reads, Spaces
from hnlm_ray.errors import InputError
from hnlm_ray.fingerprint import fingerprint_of
from hnlm_ray.tune.method import Method
from hnlm_ray.tune.space_files import layers_of
from hnlm_ray.tune.space_layers import build_method

__all__ = [
    "METHODS",
    "Compared",
    "Family",
    "Method",
    "Reads",
    "RunMethods",
    "compared_methods",
    "controls_of",
    "family",
    "makes_negatives",
    "method_of",
    "methods_of",
    "reads_evidence",
    "reads_text",
    "result_name",
    "spaces_content",
]


class RunMethods(Mapping[MethodName, Method]):
    """The shipped methods and those of a run, with its changes; each is put together when it is asked for.

    It can be pickled: what it needs of a user's files is in ``spaces``.

    Parameters
    ----------
    spaces
        ``tune.spaces`` of the run.
    """

    def __init__(self, spaces: Spaces) -> None:
        self._spaces, self._built = spaces, dict[str, Method]()

    def __getitem__(self, name: str) -> Method:
        if name not in self:
            raise KeyError(name)
        if name not in self._built:
            self._built[name] = build_method(name, layers_of(name, self._spaces))
        return self._built[name]

    def __contains__(self, name: object) -> bool:
        return name in self._spaces or name in shipped_methods()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*shipped_methods(), *self._spaces}))

    def __len__(self) -> int:
        return len({*shipped_methods(), *self._spaces})


METHODS: Final = RunMethods({})


@dataclass(frozen=True)
class Compared:
    """What a result's name stands for."""

    model: ModelName
    method: Method


def methods_of(tune: TuneConfig) -> dict[MethodName, Method]:
    """Return the methods that a run compares, with its changes of their spaces; InputError for what can't be."""
    known = RunMethods(tune.spaces)
    for name in tune.methods:
        if (of := known[name].controls) is not None and of not in known:
            raise InputError(
                f"method {name} of tune.methods controls {of!r}, which is no method; name one of tune.methods"
            )
    return {name: known[name] for name in tune.methods}


def compared_methods(tune: TuneConfig) -> dict[str, Compared]:
    """Return what a run compares, by the names of its results.

    A method that is a model itself is compared once, the others on each of ``tune.models`` that they can run on.

    Raises
    ------
    InputError
        There is no classical method, or a method runs on none of these models, or searches nothing and has more than
        one trial.
    """
    found: dict[str, Compared] = {}
    methods = methods_of(tune)
    if not any(method.family == "classical" for method in methods.values()):
        raise InputError(
            f"tune.methods {', '.join(methods)} hold no classical method to compare with; add one, such as dns"
        )
    for name, method in methods.items():
        if not method.space and tune.trials > 1:
            raise InputError(
                f"method {name} of tune.methods searches nothing, so its {tune.trials} trials would be alike; "
                "give it a parameter in tune.spaces, or set tune.trials to 1"
            )
        for model in _models(method, tune):
            found.setdefault(result_name(model, name, method), Compared(model, method))
    return dict(sorted(found.items(), key=lambda entry: tune.models.index(entry[1].model)))


def _models(method: Method, tune: TuneConfig) -> tuple[ModelName, ...]:
    if method.model is not None:
        return tune.models[:1]
    fit = tuple(model for model in tune.models if method.models is None or model in method.models)
    if not fit:
        raise InputError(
            f"method {method.name} of tune.methods can't run on {', '.join(tune.models)}, the models of tune.models; "
            f"it runs on {', '.join(method.models or ())}"
        )
    return fit


def result_name(model: str, method: str, entry: Method | None = None) -> str:
    """Return the name in tables and results, such as 'lightgcn-dns'; of a method that is a model its own name."""
    found = entry or METHODS[method]
    return method if found.model is not None else f"{model}-{method}"


def method_of(name: str, methods: Mapping[MethodName, Method] = METHODS) -> MethodName:
    """Return the method of a result's name, or of its own; InputError for any other name."""
    method = name.rpartition("-")[2]
    if method not in methods:
        raise InputError(f"unknown method {name!r}; use one of {', '.join(methods)}, or give yours in tune.spaces")
    return method


def family(name: str, methods: Mapping[MethodName, Method] = METHODS) -> Family:
    """Return the family of a method, or of a result's name; InputError for others."""
    return methods[method_of(name, methods)].family


def controls_of(name: str, methods: Mapping[MethodName, Method] = METHODS) -> list[str]:
    """Return the names of a result's own controls, of the same model; InputError for an unknown name."""
    of, model = method_of(name, methods), name.rpartition("-")[0]
    return [result_name(model, control, entry) for control, entry in methods.items() if entry.controls == of]


def spaces_content(tune: TuneConfig) -> dict[str, str]:
    """Return a hash of each of a run's methods: what it reads, what is fixed, published and searched."""
    return {name: fingerprint_of(asdict(method))[:16] for name, method in methods_of(tune).items()}


def makes_negatives(config: Config) -> bool:
    """Tell whether a run asks the LLM for negatives and makes the pool: always, or where a method reads them."""
    return config.stages == "all" or any(
        method.needs in {"pool", "vectors"} for method in methods_of(config.tune).values()
    )


def reads_text(tune: TuneConfig) -> bool:
    """Tell whether one of a run's methods reads text vectors of items."""
    return any(method.needs in {"text", "evidence"} for method in methods_of(tune).values())


def reads_evidence(tune: TuneConfig) -> bool:
    """Tell whether one of a run's methods reads what the LLM judged."""
    return any(method.needs == "evidence" for method in methods_of(tune).values())
