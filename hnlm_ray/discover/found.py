"""What was found out: the section ``source`` of a configuration, with the evidence for each value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

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
