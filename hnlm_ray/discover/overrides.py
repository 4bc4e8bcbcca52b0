"""What the user says about the files, instead of being asked."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.discover.files.sample import Table

NONE: Final = "none"
"""What the user names as a column when there is to be none."""
FOLDS: Final = ("blanks", "decimals", "zeros", "case", "unicode")


def listed(text: str | None) -> tuple[str, ...]:
    """Split what an option lists with commas."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


@dataclass(frozen=True)
class Overrides:
    """Columns by role, and how they are written; None: find out."""

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    time: str | None = None
    title: str | None = None
    time_format: str | None = None
    header: bool | None = None
    events: tuple[str, ...] = ()
    best: str | None = None
    fold_ids: tuple[str, ...] = ()
    interactions: str | None = None
    split: str | None = None

    @property
    def of_interactions(self) -> dict[str, str]:
        """The columns that the file of interactions must have, by option."""
        named = {"--user": self.user, "--item": self.item, "--rating": self.rating, "--time": self.time}
        return {option: column for option, column in named.items() if column not in {None, NONE}}

    def fits(self, table: Table) -> bool:
        """Tell whether a file has every column that was named for the interactions."""
        return set(self.of_interactions.values()) <= set(table.names)

    def check(self, tables: Sequence[Table]) -> None:
        """Raise InputError for an unknown fold, and when no file has a named column, or the interactions' together."""
        odd = [fold for fold in self.fold_ids if fold not in FOLDS]
        if odd:
            raise InputError(f"--fold-ids {odd[0]!r} is unknown; there are {', '.join(FOLDS)}")
        known = sorted({name for table in tables for name in table.names})
        for option, column in (self.of_interactions | ({"--title": self.title} if self.title else {})).items():
            if column not in known:
                close = difflib.get_close_matches(column, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(map(repr, known[:30]))}"
                raise InputError(f"{option} {column!r} is a column of none of the files; {hint}")
        if not any(self.fits(table) for table in tables):
            named = ", ".join(f"{option} {column!r}" for option, column in self.of_interactions.items())
            raise InputError(f"no file has all of {named}: they are columns of the one file of interactions")
