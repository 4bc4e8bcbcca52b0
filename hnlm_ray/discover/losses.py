"""What a configuration leaves out of the files: rows, values, columns and files, with the way to have it otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hnlm_ray.discover.cores import Core
from hnlm_ray.discover.found import LEFT, Understanding
from hnlm_ray.discover.measure import ItemsSeen, Measured, positives

WARNED_SHARE: Final = 0.2
"""Share above which what is left out is warned about."""


@dataclass(frozen=True)
class Loss:
    """One kind of thing that is left out.

    Attributes
    ----------
    what
        Rows, values, columns or files, and of which file.
    count, of
        How many, and of how many; ``of`` is 0 where that is no share of anything.
    why
        The reason.
    instead
        What to type, or to do, to have it otherwise.
    warned
        A share above 20% is worth a warning.
    """

    what: str
    count: int
    of: int
    why: str
    instead: str
    warned: bool = True


_INSTEAD: Final = {
    "event": "--events A,B names the kinds that count",
    "quantity": "--yes takes returns out; the configuration's columns.quantity",
    "rating": "--rating COLUMN, or mend the file",
    "timestamp": "--time COLUMN --time-format FORMAT, or mend the file",
    "user": "--user COLUMN, or mend the file",
    "item": "--item COLUMN, or mend the file",
    "duplicate": "the first row of an item counts: put the best first",
    "number of fields": "mend the lines, or their quotes",
}


def losses_of(found: Understanding, measured: Measured, seen: ItemsSeen, core: Core) -> list[Loss]:
    """List all that is left out, rows first."""
    return [
        *(Loss("interactions", count, measured.lines, why, _instead(why)) for why, count in measured.reasons.items()),
        *_missing(found, measured),
        *_of_positives(found, measured, core),
        *(Loss("items", count, 0, why, _instead(why)) for why, count in seen.reasons.items()),
        *_unused(found),
    ]


def _instead(why: str) -> str:
    return next((told for start, told in _INSTEAD.items() if start in why), "mend the lines")


def _missing(found: Understanding, measured: Measured) -> list[Loss]:
    """Count the rows without a rating or a time, where the files have a column of them."""
    columns = found.source.get("interactions", {}).get("columns", {})
    rows = measured.rows.num_rows
    nulls = {role: measured.rows[role].null_count for role in ("rating", "timestamp") if columns.get(role)}
    told = {"rating": "a row without a rating is no positive", "timestamp": "a row without a time"}
    return [
        Loss(f"values of {columns[role]}", count, rows, told[role], _INSTEAD[role])
        for role, count in nulls.items()
        if count
    ]


def _of_positives(found: Understanding, measured: Measured, core: Core) -> list[Loss]:
    liked = positives(measured, found.min_rating)
    rows = measured.rows.num_rows
    below = rows - liked.num_rows - (measured.rows["rating"].null_count if found.min_rating is not None else 0)
    pairs = liked.group_by(["user_id", "item_id"]).aggregate([]).num_rows
    repeats = liked.num_rows - pairs
    losses = [
        Loss("rows", below, rows, f"rated below {found.min_rating:g}", "prepare.min_rating", warned=False)
        if found.min_rating is not None
        else None,
        Loss("repeats", repeats, liked.num_rows, "the same user and item again: a pair counts once", "prepare.repeats")
        if repeats
        else None,
    ]
    if not found.given and core.positives:
        of = core.sampled or pairs
        told = (
            f"the k-core: users with fewer than {core.user_core} and items with fewer than {core.item_core} positives"
        )
        losses.append(Loss("positives", of - core.positives, of, told, "prepare.user_core, prepare.item_core"))
    return [loss for loss in losses if loss is not None and loss.count > 0]


def _unused(found: Understanding) -> list[Loss]:
    """List files that are not used one by one, and columns by their reason."""
    files = [use for use in found.uses if use.role == LEFT and not use.column]
    columns = Counter((use.file, use.why) for use in found.uses if use.role == LEFT and use.column)
    names = {
        key: ", ".join(use.column for use in found.uses if (use.file, use.why) == key and use.role == LEFT)
        for key in columns
    }
    told = "name it in the configuration's columns"
    return [
        *(Loss(f"file {use.file}", 1, 0, use.why, "--interactions FILE, or name other files") for use in files),
        *(
            Loss(f"columns of {file}: {names[file, why]}", count, 0, why, told)
            for (file, why), count in columns.items()
        ),
    ]


def warnings_of(losses: Sequence[Loss]) -> list[str]:
    """Put what is left out into sentences where it is more than a fifth."""
    return [
        f"{loss.count / loss.of:.0%} of the {loss.what} are left out ({loss.count:,} of {loss.of:,}): {loss.why}; to "
        f"change it: {loss.instead}"
        for loss in losses
        if loss.warned and loss.of and loss.count > WARNED_SHARE * loss.of
    ]
