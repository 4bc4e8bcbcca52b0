"""Samplers and models of other packages: ``module:Class`` in a configuration, and which modules may be imported.

A configuration may come from anyone, so nothing is imported but modules at or below the packages that the variable
HNLM_PLUGINS names, and no other module before that is checked.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from hnlm_ray.base.errors import InputError

PLUGINS: Final = "HNLM_PLUGINS"
"""The environment variable: packages whose modules a configuration may name, divided by commas."""
NAME: Final = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
CONTRACTS: Final = {"cf.sampler": "hnlm_ray.cf.Sampler", "cf.model": "hnlm_ray.cf.EmbeddingModel"}
"""The base class of what each setting may name; its ``plugs_in_as`` is the setting."""
_SHOWN_CHARS: Final = 200
Contract = TypeVar("Contract")


def is_outside(name: str) -> bool:
    """Tell whether a setting names a class of another package, not one of ours."""
    return ":" in name


def outside_class(name: str, contract: type[Contract]) -> type[Contract]:
    """Return the class that ``module:Class`` names, imported where it is allowed.

    Parameters
    ----------
    contract
        The base class that it must have.

    Raises
    ------
    InputError
        :data:`PLUGINS` does not name its package, it can't be imported, or it is no such class.
    """
    found = _checked(name, str(vars(contract)["plugs_in_as"]))
    if not issubclass(found, contract):
        raise InputError(f"{name} is no {contract.__module__}.{contract.__qualname__}; derive it from that class")
    return found


def source_hash(name: str) -> str:
    """Return a hash of the files that a class of another package is written in, its base classes there included."""
    digest = hashlib.sha256()
    modules = {one.__module__ for one in _imported(name).__mro__ if _is_allowed(one.__module__)}
    for module in sorted({name.partition(":")[0], *modules}):
        digest.update(f"{module}\0".encode())
        digest.update(Path(str(sys.modules[module].__file__)).read_bytes())
    return digest.hexdigest()[:16]


def runtime_environment() -> dict[str, Any]:
    """Return Ray's ``runtime_env`` for workers that don't have this process's environment; empty without such a class.

    It has the variable, and the packages that it names and that were imported: Ray brings these to each node.
    """
    tops = {name.partition(".")[0] for name in _allowed() if name in sys.modules}
    if not tops:
        return {}
    return {"env_vars": {PLUGINS: os.environ[PLUGINS]}, "py_modules": sorted(_place(sys.modules[top]) for top in tops)}


def _place(module: Any) -> str:  # noqa: ANN401  a module's attributes
    """Return the folder of a package, or the file of a module."""
    return str(next(iter(module.__path__))) if hasattr(module, "__path__") else str(module.__file__)


@dataclass(frozen=True)
class OrOutside:
    """Of a setting that is one of some names: it may be ``module:Class`` too, which is checked when it is read."""

    kind: str
    """The setting, a key of :data:`CONTRACTS`."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Take what is ours by the type's own rule, the others by theirs; both are written as text."""
        return core_schema.no_info_wrap_validator_function(
            self._read, handler(source), serialization=core_schema.simple_ser_schema("str")
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe both."""
        return {"anyOf": [handler(schema), {"type": "string", "pattern": NAME}]}

    def _read(self, value: object, ours: core_schema.ValidatorFunctionWrapHandler) -> object:
        if not isinstance(value, str) or not is_outside(value):
            return ours(value)
        check_outside(value, self.kind)
        return value


def check_outside(value: object, kind: str) -> None:
    """Raise ValueError where a value is ``module:Class`` and not a class for a setting, a key of CONTRACTS."""
    if isinstance(value, str) and is_outside(value):
        try:
            _checked(value, kind)
        except InputError as error:
            raise ValueError(str(error)) from error


def _checked(name: str, kind: str) -> type:
    """Return the class of a name; InputError where it can't be what a setting needs."""
    found = _imported(name)
    contract = next((one for one in found.__mro__ if _is_contract(one, kind)), None)
    if contract is None:
        raise InputError(f"{name} is no class that {kind} can name; derive it from {CONTRACTS[kind]}")
    for method in vars(contract)["must_define"]:
        if getattr(found, method) is getattr(contract, method):
            raise InputError(f"{name} does not define {method}; see {CONTRACTS[kind]} for what it is to do")
    _check_attributes(name, found, contract)
    return found


def _is_contract(one: type, kind: str) -> bool:
    return vars(one).get("plugs_in_as") == kind and "must_define" in vars(one)


def _check_attributes(name: str, found: Any, contract: type) -> None:  # noqa: ANN401  any class
    try:
        inspect.signature(found).bind(None)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name} can't be built from its inputs alone ({error}); let __init__ take that one"
        ) from error
    settings = getattr(found, "reads_settings", None)
    if not isinstance(settings, tuple) or not all(isinstance(one, str) for one in settings):
        raise InputError(f"{name} has reads_settings {settings!r}; give a tuple of names within cf")
    reads = getattr(contract, "READS", None)
    if reads is not None and found.reads not in reads:
        raise InputError(f"{name} reads {found.reads!r}; use one of {', '.join(reads)}")


def _imported(name: str) -> type:
    """Return the class that a name is of; InputError where it may not, or can't, be imported."""
    if not re.fullmatch(NAME, name):
        raise InputError(f"{name[:_SHOWN_CHARS]!r} is no module and class; write it as mypackage.module:MyClass")
    module, _, attribute = name.partition(":")
    if not _is_allowed(module):
        top = module.partition(".")[0]
        raise InputError(
            f"module {module!r} is in none of the packages that {PLUGINS} names ({', '.join(_allowed()) or 'none'}), "
            f"so it was not imported: where you trust its code, run with {PLUGINS}={','.join([*_allowed(), top])}"
        )
    found = getattr(_module(module), attribute, None)
    if not isinstance(found, type):
        raise InputError(f"module {module!r} has no class {attribute!r}; name one of its classes")
    return found


def _module(module: str) -> object:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())[:_SHOWN_CHARS]
        if (
            isinstance(error, ModuleNotFoundError)
            and error.name is not None
            and f"{module}.".startswith(f"{error.name}.")
        ):
            remedy = "install its package, or add the folder that it lies in to PYTHONPATH"
        else:
            remedy = "mend it"
        raise InputError(f"module {module!r} can't be imported ({told}); {remedy}") from error


def _allowed() -> list[str]:
    return [name for part in os.environ.get(PLUGINS, "").split(",") if (name := part.strip())]


def _is_allowed(module: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in _allowed())
