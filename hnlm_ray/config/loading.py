"""From a YAML file and ``--set`` options to a :class:`~hnlm_ray.config.Config`, all errors at once."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hnlm_ray.base.errors import ConfigError
from hnlm_ray.base.yaml_text import YamlTextError, parse_yaml
from hnlm_ray.config import SOURCE_FORMATS, CFConfig, Config, Section
from hnlm_ray.config.presets import read_preset, with_space_files

_SHOWN_CHARS = 80
_SHOWN_PROBLEMS = 20
_MOST_LEVELS = 20
_EXPECTED = {
    "tuple_type": "a list is expected, such as [a, b]",
    "model_type": "a section of keys and values is expected",
    "model_attributes_type": "a section of keys and values is expected",
    "dict_type": "a section of keys and values is expected",
}


def load_config(path: str, overrides: Sequence[str] = (), workspace: str | None = None) -> Config:
    """Read a YAML preset, apply ``a.b=c`` overrides and validate.

    Raises
    ------
    ConfigError
        With one line for each value that is wrong: its path, the value got, what is allowed; or it is a study's file.
    """
    tree = read_preset(path)
    if is_study(tree):
        raise ConfigError(f"{path} is a study's file, not a run's: use `hnlm study --config {shlex.quote(path)}`")
    problems = [problem for text in overrides if (problem := _override(tree, text))]
    if workspace is not None:
        tree["workspace"] = workspace
    return validated(Config, with_space_files(tree), problems, path)


def is_study(tree: Mapping[str, Any]) -> bool:
    """Tell whether a file's keys are those of a study: it names data sets where a run has a source."""
    return "datasets" in tree and "source" not in tree


def is_run(tree: Mapping[str, Any]) -> bool:
    """Tell whether a file's keys are those of a run."""
    return "source" in tree and "datasets" not in tree


class _Alone(Section):
    cf: CFConfig = CFConfig()


def load_cf_config(given: Mapping[str, Any], overrides: Sequence[str] = ()) -> CFConfig:
    """Return the settings of one CF training: ``given`` (names within ``cf``), then ``cf.b=c`` overrides.

    Raises
    ------
    ConfigError
        With one line for each value that is wrong: its path, the value got, what is allowed.
    """
    tree: dict[str, Any] = {"cf": dict(given)}
    problems = [problem for text in overrides if (problem := _outside_cf(text) or _override(tree, text))]
    return validated(_Alone, tree, problems, "the options").cf


def _outside_cf(text: str) -> str | None:
    """Return what is wrong with an override that is none of ``cf``; none where it is one, or can't be read."""
    path, separator, _ = text.partition("=")
    keys = path.strip().split(".")
    if not separator or keys[0] in {"", "cf"}:
        return None
    told = f"did you mean 'cf.{_line(path.strip())}'?" if keys[0] in CFConfig.model_fields else "use one under cf"
    return f"  {_line(path.strip())}: no setting of a training alone; {told}"


Tree = TypeVar("Tree", bound=Section)


def validated(kind: type[Tree], tree: Mapping[str, Any], problems: list[str], path: str) -> Tree:
    """Return a tree of YAML as what it is to be; ConfigError with its problems and those given, a line each."""
    config = None
    try:
        config = kind.model_validate(tree)
    except ValidationError as error:
        problems += [_describe(detail, kind) for detail in _at_their_places(error.errors())]
    if config is None or problems:
        count = "1 value is" if len(problems) == 1 else f"{len(problems)} values are"
        more = [f"  and {len(problems) - _SHOWN_PROBLEMS} more"] if len(problems) > _SHOWN_PROBLEMS else []
        told = problems[:_SHOWN_PROBLEMS]
        raise ConfigError("\n".join([f"{path}: {count} wrong; mend it and run again:", *told, *more]))
    return config


def _at_their_places(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Return the errors without those of lists that are too short only because an entry of theirs is wrong."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(detail["loc"] == place[: len(detail["loc"])] for place in places if place != detail["loc"])
    ]


def _override(tree: dict[str, Any], text: str) -> str | None:
    path, separator, value = text.partition("=")
    keys = path.strip().split(".")
    if not separator or not all(keys) or len(keys) > _MOST_LEVELS:
        return f"  --set {_line(text)}: write it as path=value, for example --set cf.epochs=20"
    node = tree
    for key in keys[:-1]:
        if node.get(key) is None:
            node[key] = {}
        child = node[key]
        if not isinstance(child, dict):
            return f"  --set {_line(path)}: {_line(key)} holds a value, not a section"
        node = child
    try:
        node[keys[-1]] = parse_yaml(value)
    except YamlTextError:
        node[keys[-1]] = value  # a plain text: it need not be YAML
    return None


def _describe(detail: ErrorDetails, kind: type[Section]) -> str:
    keys = _keys(detail)
    path = ".".join(keys) or "the file"
    if detail["type"] == "union_tag_invalid":
        allowed = ", ".join(SOURCE_FORMATS)
        return f"  {path}.format: got {detail['input'].get('format')!r}; allowed: {allowed}"
    if detail["type"] == "union_tag_not_found":
        return f"  {path}.format: missing; it is required: {', '.join(SOURCE_FORMATS)}"
    got = repr(detail["input"])
    got = got if len(got) <= _SHOWN_CHARS else got[: _SHOWN_CHARS - 3] + "..."
    if detail["type"] == "extra_forbidden":
        return f"  {path}: unknown key{_closest(keys, kind)}"
    if detail["type"] == "missing":
        return f"  {path}: missing; it is required"
    message = _EXPECTED.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
    return f"  {path}: got {got}; {message[0].lower()}{message[1:]}"


def _keys(detail: ErrorDetails) -> list[str]:
    """Return where an error lies, as the file has it: without the tag of the union that `source` is."""
    first, *rest = detail["loc"] or ("",)
    inner = rest[1:] if first == "source" and rest and rest[0] in SOURCE_FORMATS else rest
    return [_line(str(key)) for key in (first, *inner) if key != ""]


def _line(text: str) -> str:
    """Cut a text of the user's to what a line of a message has room for."""
    return " ".join(text[:_SHOWN_CHARS].split())


def _closest(keys: Sequence[str], kind: type[Section]) -> str:
    known = sorted(_known_keys(_schema(kind), keys[:-1]))
    near = difflib.get_close_matches(keys[-1], known, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; allowed: {', '.join(known)}"


@lru_cache(maxsize=4)
def _schema(kind: type[Section]) -> dict[str, Any]:
    return kind.model_json_schema()


def _known_keys(schema: Mapping[str, Any], section: Sequence[str]) -> set[str]:
    nodes = [schema]
    for key in section:
        nodes = [child for node in nodes for child in _children(schema, node, key)]
    return {name for node in nodes for name in _resolve(schema, node).get("properties", {})}


def _children(root: Mapping[str, Any], node: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = _resolve(root, node)
    # Of a mapping with keys of the user's own (tune.spaces), what every value is.
    of_any = [found.get("additionalProperties"), *found.get("patternProperties", {}).values()]
    child = found.get("properties", {}).get(key, of_any[-1])
    if not isinstance(child, dict):
        return []
    options = child.get("oneOf") or child.get("anyOf") or [child]
    return [_resolve(root, option) for option in options]


def _resolve(root: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref")
    if reference is None:
        return node
    resolved: Mapping[str, Any] = root["$defs"][reference.rsplit("/", 1)[1]]
    return resolved
