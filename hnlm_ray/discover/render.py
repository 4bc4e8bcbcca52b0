"""A plan as YAML text: each value quoted as it needs, each line with its comment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.yaml_text import YamlTextError, parse_yaml
from hnlm_ray.discover.found import Comments
from hnlm_ray.discover.plan import Plan

_WIDTH = 120
_COMMENT_CHARS = 220
_STEP = "  "


@dataclass(frozen=True)
class Line:
    """One line of YAML and what to say of it."""

    text: str
    indent: str
    comment: str

    @property
    def fits(self) -> bool:
        """Whether the comment has room behind the text."""
        return len(self.text) + len(self.comment) + 4 <= _WIDTH


def render(plan: Plan, file: str) -> str:
    """Write a plan as YAML.

    Raises
    ------
    InputError
        When the text does not read back as the plan: a column's name that YAML can't hold.
    """
    from jinja2 import Environment, StrictUndefined

    template = (files("hnlm_ray") / "discover" / "config.yaml.j2").read_text(encoding="utf-8")
    engine = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701 - YAML, quoted by value
    text = engine.from_string(template).render(lines=list(_lines(plan.tree, plan.comments)), file=printable(file))
    try:
        same = parse_yaml(text) == plan.tree
    except YamlTextError as error:
        raise InputError(
            f"the names in these files can't be written as YAML ({error}); rename the odd column"
        ) from error
    if not same:
        raise InputError("the names in these files can't be written as YAML and read back; rename the odd column")
    return f"{text.rstrip()}\n"


def scalar(value: object) -> str:
    """Write a value on one line, safe in any place of a YAML tree; what does not print is escaped."""
    if isinstance(value, list):
        return f"[{', '.join(map(scalar, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{scalar(key)}: {scalar(inner)}' for key, inner in value.items())}}}"
    plain = not isinstance(value, str) or value.isprintable()
    style = None if plain else '"'
    text = yaml.safe_dump([value], default_flow_style=True, default_style=style, width=2**31, allow_unicode=plain)
    return text.strip()[1:-1]


def printable(text: str) -> str:
    """Escape what is no plain character, so that a comment stays on its line and shows what it says."""
    plain = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return plain if len(plain) <= _COMMENT_CHARS else f"{plain[: _COMMENT_CHARS - 3]}..."


def _lines(tree: Mapping[str, Any], comments: Comments, at: tuple[str, ...] = (), depth: int = 0) -> Iterator[Line]:
    indent = _STEP * depth
    for key, value in tree.items():
        place = (*at, key)
        comment = printable(comments.get(place, ""))
        if isinstance(value, dict) and not _is_flow(key):
            yield Line(f"{indent}{scalar(key)}:", indent, comment)
            yield from _lines(value, comments, place, depth + 1)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield Line(f"{indent}{scalar(key)}:", indent, comment)
            for number, child in enumerate(value):
                yield from _entry(list(_lines(child, comments, (*place, str(number)), depth + 2)), depth)
        else:
            yield Line(f"{indent}{scalar(key)}: {scalar(value)}", indent, comment)


def _is_flow(key: str) -> bool:
    return key in {"rating_values", "split"}


def _entry(lines: list[Line], depth: int) -> Iterator[Line]:
    """Mark the first line of a list's entry with a dash."""
    dash = f"{_STEP * (depth + 1)}- "
    yield Line(dash + lines[0].text.lstrip(), lines[0].indent, "" if not lines[0].fits else lines[0].comment)
    yield from lines[1:]
