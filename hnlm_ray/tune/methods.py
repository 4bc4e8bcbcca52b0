"""The methods by name: those that come with the package, those of a run, and what results call them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

from hnlm_ray.config import Config, MethodName, ModelName, TuneConfig
from hnlm_ray.config.controls import CONTROLS
from hnlm_ray.config.method_names import method_names
from hnlm_ray.config.spaces import Family, Reads, Spaces
from hnlm_ray.errors import InputError
from hnlm_ray.fingerprint import fingerprint_of
from hnlm_ray.tune.method import FACTS_TEXT, Method
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
    "nested_in",
    "reads_evidence",
    "reads_facts",
    "reads_text",
    "result_name",
    "same_by_facts",
    "spaces_content",
    "trials_of",
]


class RunMethods(Mapping[MethodName, Method]):
    """The shipped methods and those of a run, with its changes; each is put together when it is asked for.

    It can be pickled: what it needs of a user's files is in ``spaces``.

    Parameters
    ----------
    spaces
        ``tune.spaces`` of the run.
    item_text
        ``tune.item_text`` of the run: where methods read facts anyway, the control that does is the method itself, so
        there is none.
    """

    def __init__(self, spaces: Spaces, item_text: str = "profiles") -> None:
        self._spaces, self._item_text, self._built = spaces, item_text, dict[str, Method]()
        self._names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, tune: TuneConfig) -> RunMethods:
        """Return those of a run; the same object for the same spaces, so that a method is put together once."""
        key = tune.model_dump_json(include={"spaces", "item_text"})
        if key not in _KEPT:
            _KEPT[key] = cls(tune.spaces, tune.item_text)
        _KEPT.move_to_end(key)
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.popitem(last=False)
        return _KEPT[key]

    def __getitem__(self, name: str) -> Method:
        if name not in self:
            raise KeyError(name)
        if name not in self._built:
            self._built[name] = self._told_apart(build_method(name, layers_of(name, self._spaces)))
        return self._built[name]

    def _told_apart(self, method: Method) -> Method:
        if self._item_text != "facts":
            return method
        own = tuple(name for name in method.controls if method.reads != "text" or name != f"{method.name}_facts")
        return replace(method, controls=own, reads_profiles=False)

    def own_controls(self, of: str) -> list[str]:
        """Return the run's own methods that say they control a method."""
        return [name for name, given in self._spaces.items() if given.control_of == of]

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def _all(self) -> tuple[str, ...]:
        """Return all names; the shipped files are read when the first is asked for."""
        if self._names is None:
            self._names = method_names(self._spaces)
        return self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


METHODS: Final = RunMethods({})
_KEPT: Final = OrderedDict[str, RunMethods]()
_MOST_KEPT: Final = 8


@dataclass(frozen=True)
class Compared:
    """What a result's name stands for."""

    model: ModelName
    method: Method


def methods_of(tune: TuneConfig) -> dict[MethodName, Method]:
    """Return the methods that a run compares, with its changes of their spaces; InputError for what can't be."""
    known = RunMethods.of(tune)
    for name in tune.methods:
        for of in filter(None, (known[name].control_of, *(known[name].nests or ()))):
            if of not in known:
                raise InputError(f"method {name} of tune.methods names {of!r}, which is no method; name one of them")
    left_out = same_by_facts(tune)
    return {name: known[name] for name in tune.methods if name not in left_out}


def same_by_facts(tune: TuneConfig) -> tuple[MethodName, ...]:
    """Return the controls of ``tune.methods`` that are left out: where a run reads facts, each is its method itself."""
    known = RunMethods.of(tune)
    return tuple(name for name in tune.methods if tune.item_text == "facts" and known[name].reads == FACTS_TEXT)


def compared_methods(tune: TuneConfig) -> dict[str, Compared]:
    """Return what a run compares, by the names of its results.

    A method that is a model itself is compared once, the others on each of ``tune.models`` that they can run on.

    Raises
    ------
    InputError
        There is no classical method, a method runs on none of these models, or nothing is compared whose settings it
        takes.
    """
    found: dict[str, Compared] = {}
    methods = methods_of(tune)
    if not any(method.family == "classical" for method in methods.values()):
        raise InputError(
            f"tune.methods {', '.join(methods)} hold no classical method to compare with; add one, such as dns"
        )
    for name, method in methods.items():
        for model in _models(method, tune):
            found.setdefault(result_name(model, name, method), Compared(model, method))
    for one in found.values():
        _check_nests(one, found)
    return dict(sorted(found.items(), key=lambda entry: tune.models.index(entry[1].model)))


def nested_in(one: Compared, compared: Mapping[str, Compared]) -> tuple[str, ...]:
    """Return the names in results of the methods whose best it takes all settings of, on its own model."""
    nests = one.method.nests or ()
    return tuple(name for name, base in compared.items() if base.method.name in nests and base.model == one.model)


def _check_nests(one: Compared, compared: Mapping[str, Compared]) -> None:
    if one.method.nests is None:
        return
    told = f"method {one.method.name} of tune.methods takes the settings of the best of {', '.join(one.method.nests)}"
    bases = nested_in(one, compared)
    if not bases:
        raise InputError(f"{told}, and none of these is compared on {one.model}; add one to tune.methods")
    if around := [name for name in bases if compared[name].method.nests is not None]:
        raise InputError(f"{told}, and {around[0]} takes those of others itself; name methods that take none")


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
    """Return the names of a result's own controls, of the same model; InputError for an unknown name.

    A control by the items' facts has those of its method that take the meaning away.
    """
    of, model = methods[method_of(name, methods)], name.rpartition("-")[0]
    own = methods.own_controls(of.name) if isinstance(methods, RunMethods) else []
    if of.takes == "facts":
        own = [control for control in methods[of.control_of or ""].controls if _leaves_behaviour(methods[control])]
    return [result_name(model, control, methods[control]) for control in (*of.controls, *own) if control in methods]


def _leaves_behaviour(control: Method) -> bool:
    return control.takes in CONTROLS and CONTROLS[control.takes or ""].leaves == "behaviour"


def trials_of(method: Method, tune: TuneConfig) -> int:
    """Return how many trials a method has in each search: one where it searches nothing, for all would be alike."""
    return tune.trials if method.space else 1


_OF_TRAININGS: Final = ("reads", "drawn", "fixed", "published", "root", "models", "model", "nests")
"""What of a method decides its trainings; the rest is words and comparisons."""


def spaces_content(tune: TuneConfig) -> dict[str, str]:
    """Return a hash of each of a run's methods: what it reads, what is fixed, published and searched."""
    return {
        name: fingerprint_of({part: value for part, value in asdict(method).items() if part in _OF_TRAININGS})[:16]
        for name, method in methods_of(tune).items()
    }


def makes_negatives(config: Config) -> bool:
    """Tell whether a run asks the LLM for negatives and makes the pool: always, or where a method reads them."""
    return config.stages == "all" or any(
        method.needs in {"pool", "vectors"} for method in methods_of(config.tune).values()
    )


def reads_text(tune: TuneConfig) -> bool:
    """Tell whether one of a run's methods reads text vectors of items."""
    return any(method.needs in {"text", "evidence"} for method in methods_of(tune).values())


def reads_facts(tune: TuneConfig) -> bool:
    """Tell whether one of a run's methods reads the items' facts apart from what the LLM wrote of them."""
    return any(method.reads_facts for method in methods_of(tune).values())


def reads_evidence(tune: TuneConfig) -> bool:
    """Tell whether one of a run's methods reads what the LLM judged."""
    return any(method.needs == "evidence" for method in methods_of(tune).values())
