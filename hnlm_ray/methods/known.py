"""The methods by name: those that come with the package, those of a run, and what results call them.

Samplers and models of the user's own in a comparison: what decides their trainings beside the configuration.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.hashing import fingerprint_of
from hnlm_ray.base.outside import is_outside, source_hash
from hnlm_ray.config import CFConfig, Config, MethodName, ModelName, TuneConfig
from hnlm_ray.config.controls import CONTROLS
from hnlm_ray.config.spaces import Family, Reads, Spaces, method_names
from hnlm_ray.methods.method import FACTS_TEXT, Choice, Method, Needs, When
from hnlm_ray.methods.space_files import build_method, layers_of

__all__ = [
    "METHODS",
    "Compared",
    "Family",
    "Method",
    "Reads",
    "RunMethods",
    "controls_of",
    "family",
    "makes_negatives",
    "method_of",
    "nested_in",
    "result_name",
    "trials_of",
]


_OF_TRAININGS: Final = ("reads", "drawn", "fixed", "published", "root", "models", "model", "nests")
"""What of a method decides its trainings; the rest is words and comparisons."""


@dataclass(frozen=True)
class Compared:
    """What a result's name stands for."""

    model: ModelName
    method: Method


class RunMethods(Mapping[MethodName, Method]):
    """The shipped methods and those of a run, with its changes; each is put together once, when it is asked for.

    It can be pickled: what it needs of a user's files is in ``spaces``.

    Parameters
    ----------
    spaces
        ``tune.spaces`` of the run.
    item_text
        ``tune.item_text`` of the run: where methods read facts anyway, the control that does is the method itself, so
        there is none.
    named, models
        ``tune.methods`` and ``tune.models`` of the run: what it compares.
    """

    def __init__(
        self,
        spaces: Spaces,
        item_text: str = "profiles",
        named: Sequence[MethodName] = (),
        models: Sequence[ModelName] = (),
    ) -> None:
        self._spaces, self._item_text, self._named, self._models = spaces, item_text, named, models
        self._built = dict[str, Method]()

    @classmethod
    def of(cls, tune: TuneConfig) -> RunMethods:
        """Return those of a run; the same object for the same settings, so that a method is put together once."""
        key = tune.model_dump_json(include={"spaces", "item_text", "methods", "models"})
        if key not in _KEPT:
            _KEPT[key] = cls(tune.spaces, tune.item_text, tune.methods, tune.models)
        _KEPT.move_to_end(key)
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.popitem(last=False)
        return _KEPT[key]

    def __getitem__(self, name: str) -> Method:
        if name not in self:
            raise KeyError(name)
        if name not in self._built:
            self._built[name] = build_method(name, layers_of(name, self._spaces), self._item_text)
        return self._built[name]

    def __contains__(self, name: object) -> bool:
        return name in self._all

    @cached_property
    def _all(self) -> tuple[str, ...]:
        return method_names(self._spaces)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def own_controls(self, of: str) -> list[str]:
        """Return the run's own methods that say they control a method."""
        return [name for name, given in self._spaces.items() if given.control_of == of]

    @cached_property
    def chosen(self) -> Mapping[MethodName, Method]:
        """The methods that the run compares; InputError for what can't be."""
        for name in self._named:
            for of in filter(None, (self[name].control_of, *(self[name].nests or ()))):
                if of not in self:
                    raise InputError(
                        f"method {name} of tune.methods names {of!r}, which is no method; name one of them"
                    )
        return {name: self[name] for name in self._named if name not in self.same_by_facts}

    @cached_property
    def same_by_facts(self) -> tuple[MethodName, ...]:
        """The controls of ``tune.methods`` that are left out: where a run reads facts, each is its method itself."""
        return tuple(name for name in self._named if self._item_text == "facts" and self[name].reads == FACTS_TEXT)

    @cached_property
    def compared(self) -> Mapping[str, Compared]:
        """What the run compares, by the names of its results.

        A method that is a model itself is compared once, the others on each of ``tune.models`` that they can run on.

        Raises
        ------
        InputError
            There is no classical method, a method runs on none of these models, or nothing is compared whose settings
            it takes.
        """
        found: dict[str, Compared] = {}
        if not any(method.family == "classical" for method in self.chosen.values()):
            raise InputError(
                f"tune.methods {', '.join(self.chosen)} hold no classical method to compare with; add one, such as dns"
            )
        for name, method in self.chosen.items():
            for model in _models(method, self._models):
                found.setdefault(result_name(model, name, method), Compared(model, method))
        for one in found.values():
            _check_nests(one, found)
        return dict(sorted(found.items(), key=lambda entry: self._models.index(entry[1].model)))

    @cached_property
    def content(self) -> Mapping[str, str]:
        """A hash of each of the run's methods: what it reads, what is fixed, published and searched."""
        return {
            name: fingerprint_of({part: value for part, value in asdict(method).items() if part in _OF_TRAININGS})[:16]
            for name, method in self.chosen.items()
        }

    @cached_property
    def reads_negatives(self) -> bool:
        """Whether one of the run's methods reads the pool, or vectors of negatives."""
        return self._one_needs("pool", "vectors")

    @cached_property
    def reads_text(self) -> bool:
        """Whether one of the run's methods reads text vectors of items."""
        return self._one_needs("text", "evidence")

    @cached_property
    def reads_evidence(self) -> bool:
        """Whether one of the run's methods reads what the LLM judged."""
        return self._one_needs("evidence")

    @cached_property
    def reads_facts(self) -> bool:
        """Whether one of the run's methods reads the items' facts apart from what the LLM wrote of them."""
        return any(method.reads_facts for method in self.chosen.values())

    def _one_needs(self, *needs: Needs) -> bool:
        return any(method.needs in needs for method in self.chosen.values())


METHODS: Final = RunMethods({})
_KEPT: Final = OrderedDict[str, RunMethods]()
_MOST_KEPT: Final = 8


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


def _models(method: Method, models: Sequence[ModelName]) -> Sequence[ModelName]:
    """Return those of ``tune.models`` that a method is compared on; InputError where there is none."""
    if method.model is not None:
        return models[:1]
    fit = [model for model in models if method.models is None or model in method.models]
    if not fit:
        raise InputError(
            f"method {method.name} of tune.methods can't run on {', '.join(models)}, the models of tune.models; "
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
        extended = _one_of(methods, of.control_of or "")
        own = [control for control in extended.controls if _leaves_behaviour(_one_of(methods, control))]
    return [result_name(model, control, methods[control]) for control in (*of.controls, *own) if control in methods]


def _one_of(methods: Mapping[MethodName, Method], name: str) -> Method:
    """Return a method that need not be compared itself."""
    return methods[name] if name in methods else METHODS[name]


def _leaves_behaviour(control: Method) -> bool:
    return control.takes in CONTROLS and CONTROLS[control.takes or ""].leaves == "behaviour"


def trials_of(method: Method, tune: TuneConfig) -> int:
    """Return how many trials a method has in each search: one where it searches nothing, for all would be alike."""
    return tune.trials if method.space else 1


def makes_negatives(config: Config) -> bool:
    """Tell whether a run asks the LLM for negatives and makes the pool: always, or where a method reads them."""
    return config.stages == "all" or RunMethods.of(config.tune).reads_negatives


def compared_classes(tune: TuneConfig) -> dict[str, dict[str, str]]:
    """Return the hashes of the sources of a comparison's own classes, by name; an empty mapping where it has none."""
    return _content(name for method in RunMethods.of(tune).chosen.values() for name in _named(method))


def trained_classes(config: CFConfig) -> dict[str, dict[str, str]]:
    """Return the same of one training."""
    return _content((config.sampler, config.model))


def _content(names: Iterator[str] | tuple[str, ...]) -> dict[str, dict[str, str]]:
    found = {name: source_hash(name) for name in sorted({*names}) if is_outside(name)}
    return {"own_classes": found} if found else {}


def _named(method: Method) -> Iterator[str]:
    """Yield the samplers and the model that a method may train with."""
    yield method.model or ""
    yield from (str(values["sampler"]) for values in (method.fixed, method.published) if "sampler" in values)
    drawn = method.drawn.get("sampler")
    for one in drawn.ranges.values() if isinstance(drawn, When) else (drawn,):
        yield from map(str, one.values if isinstance(one, Choice) else ())
