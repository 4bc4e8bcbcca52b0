"""What was found out: the section ``source`` of a configuration, with the evidence for each value.

Several files with the same columns, read as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.discover.files.names import tokens
from hnlm_ray.discover.files.sample import Ask, Question, Table
from hnlm_ray.sources.readers.files import find_files, plain_path

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
    warnings
        What is left out, or read in a way that a user should know of; a sentence each.
    split
        The method that the user asked for; None: as init chooses.
    """

    source: dict[str, Any]
    comments: Comments = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    min_rating: float | None = None
    given: bool = False
    warnings: list[str] = field(default_factory=list)
    split: str | None = None


def same_columns(left: Table, right: Table) -> bool:
    """Tell whether two files have the same columns; without names their values must be of the same kinds."""
    pairs = zip(left.columns, right.columns, strict=False)
    return left.names == right.names and (
        left.options.get("header", True) or all(one.numeric == other.numeric for one, other in pairs)
    )


PARTS: Final = {
    "train": frozenset({"train", "training", "trn", "tr"}),
    "validation": frozenset({"valid", "validation", "val", "dev", "vali", "validate"}),
    "test": frozenset({"test", "testing", "tst", "te", "heldout", "holdout"}),
}
"""Words of file names that tell the part of a split."""


def split_of(tables: Sequence[Table], ask: Ask, wanted: str | None = None) -> dict[str, Table]:
    """Return the files of a split that the user made, by part; empty when their names tell none, or it is unwanted."""
    if wanted not in {None, "given"}:
        return {}
    told: dict[tuple[str, ...], dict[str, Table]] = {}
    for table in tables:
        stem, part = _part_of(table.place.base)
        if part is not None:
            told.setdefault(stem, {}).setdefault(part, table)
    splits = [parts for parts in told.values() if {"train", "test"} <= parts.keys()]
    usable = [parts for parts in splits if _in_plain_files(parts)]
    if not splits:
        return {}
    if not usable:
        raise InputError(
            "train and test lie in one archive or are written in different ways: unpack them, write both alike, and "
            "name both files"
        )
    shown = [", ".join(table.place.shown for table in parts.values()) for parts in usable[:5]]
    anew = "read all as one and split anew"
    if len(usable) == 1:
        if wanted == "given":
            return usable[0]
        choices = ("keep it", anew)
        text = f"{shown[0]} look like a split that was made before: keep it?"
        return {} if ask(Question(text, choices, "--split given or --split random")) else usable[0]
    at = ask(Question("the files hold several splits: which one?", (*shown, anew), "name the files of one"))
    return usable[at] if at < len(shown) else {}


def _part_of(base: str) -> tuple[tuple[str, ...], str | None]:
    """Return a file's name without the word that tells its part, and the part."""
    words = tokens(base)
    found = [(word, part) for word in words for part, known in PARTS.items() if word in known]
    if len(found) != 1:
        return words, None
    return tuple(word for word in words if word != found[0][0]), found[0][1]


def _in_plain_files(parts: Mapping[str, Table]) -> bool:
    first = parts["train"]
    return all(table.place.member is None and table.options == first.options for table in parts.values())


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
    named, wanted = ({plain_path(file.name) for one in some for file in find_files(one)} for some in ([pattern], paths))
    return pattern if named == wanted else None


def _common(texts: Sequence[str]) -> str:
    """Return the longest text that all start with."""
    least, most = min(texts), max(texts)
    return next((least[:at] for at, char in enumerate(least) if most[at] != char), least)
