"""YAML from anywhere: bounded in size, without repeated keys or aliases that multiply."""

from __future__ import annotations

from typing import Any

import yaml

MOST_CHARS = 1 << 18
MOST_VALUES = 10_000
_MOST_INTEGER = 2**63
_MOST_DIGITS = 100
_MOST_NESTED = 50
_NO_SCALAR = (ValueError, LookupError, AttributeError, OverflowError, TypeError)
"""What PyYAML raises for a date or number that is none: 2015-13-45, '!!int ""', one of 5,000 digits."""

_TOO_MANY = f"more than {MOST_VALUES:,} values, each use of an alias counted"
_LONG_INTEGER = "a whole number of more than 18 digits"


class YamlTextError(ValueError):
    """A text that is no usable YAML: the message says what is wrong and where, to follow the file's name."""


def parse_yaml(text: str) -> Any:  # noqa: ANN401  any YAML value
    """Parse one YAML document.

    Raises
    ------
    YamlTextError
        When it is no YAML, too large (aliases count each time they are used), or names a key twice.
    """
    if len(text) > MOST_CHARS:
        raise YamlTextError(f"has more than {MOST_CHARS:,} characters, and a run needs a few hundred: check the path")
    try:
        return yaml.load(text, _Loader)  # noqa: S506  it is a SafeLoader
    except RecursionError as error:
        raise YamlTextError("is nested too deep: a run's tree has four levels") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
        raise YamlTextError(f"can't be parsed{place} ({problem}): mend the YAML") from error


class _Loader(yaml.SafeLoader):
    _composed = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401  PyYAML's
        """Stop at the first value too many: composing all of a long list takes seconds."""
        self._composed += 1
        if self._composed > MOST_VALUES:
            raise yaml.composer.ComposerError(None, None, _TOO_MANY, self.get_mark())
        return super().compose_node(parent, index)

    def fetch_flow_collection_start(self, token: Any) -> None:  # noqa: ANN401  PyYAML's
        """Stop nests of brackets early: PyYAML looks at every open one at each step."""
        if self.flow_level >= _MOST_NESTED:
            raise yaml.scanner.ScannerError(None, None, "nested too deep", self.get_mark())
        super().fetch_flow_collection_start(token)

    def get_single_node(self) -> yaml.Node | None:
        root: yaml.Node | None = super().get_single_node()
        waiting, values = [root] if root is not None else [], 0
        while waiting:
            node = waiting.pop()
            values += 1
            if values > MOST_VALUES:
                raise _problem(_TOO_MANY, node)
            waiting += _children(node)
        return root

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401  PyYAML's stubs err
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        known: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in known:
                    raise _problem(f"key '{key.value[:40]}' is given twice", key)
                known.add(key.value)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002  PyYAML's
        if node.tag.endswith(":int") and len(node.value) > _MOST_DIGITS:  # 1:1:1... in base 60 takes seconds
            raise _problem(_LONG_INTEGER, node)
        try:
            value = super().construct_object(node, deep=deep)
        except _NO_SCALAR as error:
            raise _problem(f"{str(node.value)[:40]!r} is no {node.tag.rpartition(':')[2]}", node) from error
        if isinstance(value, int) and abs(value) >= _MOST_INTEGER:
            raise _problem(_LONG_INTEGER, node)
        return value


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    return [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else []


def _problem(text: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, text, node.start_mark)
