"""The names of the methods: a file of each below ``hnlm_ray/methods/spaces``, and of their controls, a word each in it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from hnlm_ray.config.controls import control_names
from hnlm_ray.config.spaces import Spaces

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
    return tuple(sorted(_with_controls({name: _words(name, {}) for name in _shipped_trees() if name[0] != "_"})))


@lru_cache(maxsize=1)
def classical_methods() -> tuple[str, ...]:
    """Return those of the shipped methods that are of the family 'classical'."""
    return tuple(name for name in sorted(_shipped_trees()) if name[0] != "_" and _family(name) == "classical")


def is_classical(name: str) -> bool:
    """Tell whether a method is one of these; of a standing baseline no file is read."""
    return name in STANDING_BASELINES or name in classical_methods()


def _family(name: str) -> object:
    tree = _shipped_trees()[name]
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
        known = method in own or (method in _shipped_trees() and method[0] != "_")
        if known and word in _words(method, own) and name not in _shipped_trees():
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
    given, shipped = own.get(name), _shipped_trees().get(name, {})
    if given is not None and given.controls is not None:
        return given.controls
    if shipped.get("controls") is not None:
        return tuple(shipped["controls"])
    if given is not None and given.control_of is not None:
        return ()
    base = (given.extends if given is not None else None) or shipped.get("extends")
    return _words(base, own, (*below, name)) if base is not None and base not in (*below, name) else ()


@lru_cache(maxsize=1)
def _shipped_trees() -> Mapping[str, Mapping[str, Any]]:
    # The CF engine reads the configuration's sections and no YAML.
    from hnlm_ray.base.yaml_text import parse_yaml

    return {name: parse_yaml(entry.read_text(encoding="utf-8")) for name, entry in shipped_spaces().items()}
