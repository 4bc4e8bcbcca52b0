"""A run's YAML file, and the presets that it extends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from hnlm_ray.base.errors import ConfigError
from hnlm_ray.base.yaml_text import MOST_CHARS, YamlTextError, parse_yaml

EXTENDS: Final = "extends"
_MOST_LEVELS: Final = 4
_WHOLE: Final = "source"
"""Taken whole from the file that names it last: keys of one format mean nothing in another."""


def read_preset(path: str) -> dict[str, Any]:
    """Read a YAML file; what it ``extends`` (a shipped preset's name, or a path beside it) comes first.

    Sections are merged key by key, lists and `source` are replaced.

    Raises
    ------
    ConfigError
        When a file can't be read, is no YAML mapping, or extends itself.
    """
    return _read(path, ())


def base_tree(base: str | Mapping[str, Any], beside: str) -> dict[str, Any]:
    """Return what a file at ``beside`` builds on: a shipped preset's name, a YAML file's path, or keys and ``extends``.

    ConfigError as of :func:`read_preset`.
    """
    return _read(_base_path(base, beside), (beside,)) if isinstance(base, str) else _extended(base, beside, ())


def shipped_presets() -> list[str]:
    """Return the names of the presets that come with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _shipped().iterdir() if entry.name.endswith(".yaml"))


def _shipped() -> Any:  # noqa: ANN401  importlib's Traversable
    return files("hnlm_ray") / "presets"


def _read(path: str, below: tuple[str, ...]) -> dict[str, Any]:
    return _extended(_mapping(path, f"what {below[-1]} builds on" if below else "--config"), path, below)


def _extended(given: Mapping[str, Any], path: str, below: tuple[str, ...]) -> dict[str, Any]:
    tree = dict(given)
    base = tree.pop(EXTENDS, None)
    if base is None:
        return tree
    chain = (*below, path)
    if not isinstance(base, str):
        raise ConfigError(f"config {path}: extends is {base!r}: name one preset ({_known()}) or one YAML file")
    found = _base_path(base, path)
    if found in chain or len(chain) > _MOST_LEVELS:
        raise ConfigError(f"config {path} extends {base}, which extends it again or too deep: end the chain")
    return merged(_read(found, chain), tree)


def _base_path(base: str, path: str) -> str:
    if base.endswith((".yaml", ".yml")):
        return os.path.join(os.path.dirname(path), base)
    if base in shipped_presets():
        return str(_shipped() / f"{base}.yaml")
    raise ConfigError(
        f"config {path}: there is no preset '{base[:80]}' to extend: use {_known()} or a YAML file's path"
    )


def _known() -> str:
    return ", ".join(shipped_presets())


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the values of ``over``: sections key by key, lists and `source` whole."""
    both_of = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict) and key != _WHOLE
        both_of[key] = merged(base[key], value) if both else value
    return both_of


def with_space_files(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's tree with the files that ``tune.spaces`` names in the place of their paths.

    ConfigError when one can't be read, or is no YAML mapping.
    """
    tune = tree.get("tune")
    spaces = tune.get("spaces") if isinstance(tune, dict) else None
    if not isinstance(tune, dict) or not isinstance(spaces, dict):
        return dict(tree)
    read = {name: _with_file(given, f"tune.spaces.{name}") for name, given in spaces.items()}
    return {**tree, "tune": {**tune, "spaces": read}}


def _with_file(given: object, named_by: str) -> object:
    path = given.get("file") if isinstance(given, dict) else given
    if not isinstance(path, str):
        return given
    beside = given if isinstance(given, dict) else {"file": path}
    return merged(_mapping(path, named_by), beside)


def _mapping(path: str, named_by: str) -> dict[str, Any]:
    if os.path.isdir(path):
        raise ConfigError(f"config {path} is a folder: name a YAML file, such as configs/demo.yaml")
    try:
        with open(path, encoding="utf-8") as stream:
            tree = parse_yaml(stream.read(MOST_CHARS + 1))
    except FileNotFoundError as error:
        raise ConfigError(f"config {path} does not exist: check {named_by}") from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(tree, dict):
        raise ConfigError(f"config {path} holds no mapping: it starts with 'name: ...', see configs/demo.yaml")
    return {str(key): value for key, value in tree.items() if value is not None}  # 'cf:' alone: its defaults


def _unreadable(path: str, error: OSError | ValueError) -> ConfigError:
    if isinstance(error, YamlTextError):
        return ConfigError(f"config {path} {error}")
    if isinstance(error, UnicodeDecodeError):
        return ConfigError(f"config {path} is not UTF-8 (byte {error.start}): save it as UTF-8")
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return ConfigError(f"config {path!r} can't be read ({reason}): check the path and its permissions")
