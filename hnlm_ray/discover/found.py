"""What was found out: the section ``source`` of a configuration, with the evidence for each value.

Several files with the same columns, read as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hnlm_ray.discover.files.sample import Table
from hnlm_ray.sources.readers.files import find_files

Comments = dict[tuple[str, ...], str]
LEFT: Final = "not used"


@dataclass(frozen=True)
class Use:
    """What a file or one of its columns is used for, and why."""

    file: str
    column: str
    role: str
    why: str


@dataclass
class Understanding:
    """The section ``source`` and where each value comes from.

    Attributes
    ----------
    source
        The section, as YAML has it.
    comments
        The evidence of a value, by its path in the configuration.
    uses
        Each file and column, used or not.
    min_rating
        The least rating of a positive; None when there are no ratings.
    given
        Train and test are the source's.
    """

    source: dict[str, Any]
    comments: Comments = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    min_rating: float | None = None
    given: bool = False


def same_columns(left: Table, right: Table) -> bool:
    """Tell whether two files have the same columns; without names their values must be of the same kinds."""
    pairs = zip(left.columns, right.columns, strict=False)
    return left.names == right.names and (
        left.options.get("header", True) or all(one.numeric == other.numeric for one, other in pairs)
    )


def path_of(main: Table, parts: Sequence[Table], uses: list[Use]) -> str:
    """Name several files with the same columns by one glob, where it names just these."""
    path = main.place.path
    same = [table for table in parts if table.options == main.options and table.place.member is None]
    if same and main.place.member is None and (glob := _glob([path, *(table.place.path for table in same)])):
        uses += [Use(table.place.shown, "", "interactions", f"the same columns: read as {glob}") for table in same]
        path, parts = glob, [table for table in parts if table not in same]
    told = f"the same columns as {main.place.shown}, but no pattern names just these files; join them"
    uses += [Use(table.place.shown, "", LEFT, told) for table in parts]
    return path


def _glob(paths: Sequence[str]) -> str | None:
    start = _common(paths)
    end = _common([path[len(start) :][::-1] for path in paths])[::-1]
    between = [path[len(start) : len(path) - len(end)] for path in paths]
    if any(char in start + end for char in "*?[") or any("/" in part for part in between):
        return None
    pattern = f"{start}*{end}"
    return pattern if {file.path for file in find_files(pattern)} == set(paths) else None


def _common(texts: Sequence[str]) -> str:
    """Return the longest text that all start with."""
    least, most = min(texts), max(texts)
    return next((least[:at] for at, char in enumerate(least) if most[at] != char), least)
