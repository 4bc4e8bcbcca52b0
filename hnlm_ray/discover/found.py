"""What was found out: the section ``source`` of a configuration, with the evidence for each value.

Several files with the same columns: a split that the user made, or parts that are read as one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.discover.files.columns import DASHES, MISSING, Column, number_of
from hnlm_ray.discover.files.dialect import dialect_of, split_rows
from hnlm_ray.discover.files.heads import Head
from hnlm_ray.discover.files.inputs import Place
from hnlm_ray.discover.files.names import name_score, tokens
from hnlm_ray.discover.files.sample import Ask, Overrides, Question, Table
from hnlm_ray.discover.published import (
    PARTS,
    Split,
    common_start,
    packing_of,
    part_of,
    path_of,
    paths_of_split,
    split_of,
    unpacked,
)
from hnlm_ray.discover.roles.interactions import InteractionRoles
from hnlm_ray.discover.roles.scale import Scale
from hnlm_ray.discover.roles.times import reads, times_of
from hnlm_ray.sources.readers.files import plain_path
from hnlm_ray.sources.readers.records import table_names

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
    """Tell whether two files have the same columns, in any order; without names their values must be of the same kinds.

    The readers find a column by its name in each file.
    """
    if not left.options.get("header", True) or not right.options.get("header", True):
        pairs = zip(left.columns, right.columns, strict=False)
        return left.names == right.names and all(one.numeric == other.numeric for one, other in pairs)
    return sorted(left.names) == sorted(right.names)


@dataclass(frozen=True)
class Joined:
    """Files of the same columns, as one table.

    Attributes
    ----------
    main
        The file that is looked at: the train part of a split, else the one with the best columns.
    read
        The further files that are read with it.
    others
        Files of other columns.
    options
        What ``source.interactions`` says of the paths.
    given
        They are a split that the user made.
    warnings
        What is not read though it seems to belong to it, a sentence each.
    """

    main: Table
    read: tuple[Table, ...]
    others: tuple[Table, ...]
    options: dict[str, Any]
    given: bool
    warnings: list[str]


def join_files(main: Table, tables: Sequence[Table], wanted: Overrides, ask: Ask, uses: list[Use]) -> Joined:
    """Find the files that are read with one, and ask about those that may mean something else.

    Raises
    ------
    InputError
        When train and test can't be read by one configuration.
    """
    alike = [main, *(table for table in tables if table is not main and same_columns(table, main))]
    others = [table for table in tables if not any(table is one for one in alike)]
    warnings: list[str] = []
    split = split_of(alike, ask, wanted.split)
    if split:
        main = split["train"][0]
        read, options = _read_split(split, alike, uses)
    else:
        groups = _counted(main, alike, wanted.interactions, ask, uses)
        main = main if any(main is table for table in groups) else max(groups, key=lambda table: table.rows)
        rest = [table for table in groups if table is not main]
        main, read, options = _read_parts(main, rest, uses, warnings)
        others = _without_test(main, others, uses, warnings)
    return Joined(main, tuple(read), tuple(_headless(main, others, uses, warnings)), options, bool(split), warnings)


def _read_split(split: Split, alike: Sequence[Table], uses: list[Use]) -> tuple[list[Table], dict[str, Any]]:
    """Name the files of a split that the user made; further files of the same columns are left out."""
    for role, side in split.items():
        told = f"its name says that it is the {role} part of a split"
        uses += [Use(table.place.shown, "", role, told) for table in side]
    inside = [table for side in split.values() for table in side]
    rest = [table for table in alike if not any(table is one for one in inside)]
    uses += [Use(table.place.shown, "", LEFT, "no part of the split that train and test are of") for table in rest]
    return [table for table in inside if table is not split["train"][0]], paths_of_split(split) or {}


def _without_test(main: Table, others: Sequence[Table], uses: list[Use], warnings: list[str]) -> list[Table]:
    """Warn of a test file that lacks columns of the train file."""
    key, part = part_of(main.place, numbered=True)
    lacking = {
        table.place.shown: [name for name in main.names if name not in table.names]
        for table in others
        if part != "test" and part_of(table.place, numbered=True) in {(key, "test"), (key, "validation")}
    }
    for shown, names in lacking.items():
        why = f"by its name part of a split with {main.place.shown}, but it lacks the columns {', '.join(names[:5])}"
        uses.append(Use(shown, "", LEFT, why))
        warnings.append(f"{shown} is left out: {why}; add them, or leave the file away and let the run split anew")
    return [table for table in others if table.place.shown not in lacking]


def _headless(main: Table, others: Sequence[Table], uses: list[Use], warnings: list[str]) -> list[Table]:
    """Warn of files that have the columns of the main one, and ids of it, but no line of names as it has, or more."""
    kept = []
    for table in others:
        if not _lacks_names(main, table):
            kept.append(table)
            continue
        one, other = (main, table) if main.options.get("header", True) else (table, main)
        why = f"it has the columns of {main.place.shown}, but only {one.place.shown} starts with a line of their names"
        uses.append(Use(table.place.shown, "", LEFT, why))
        warnings.append(
            f"{_share([table], [main, table])} of the rows are not read: {table.place.shown} is left out, as {why}; "
            f"write the line of names into {other.place.shown} as well"
        )
    return kept


def _lacks_names(main: Table, table: Table) -> bool:
    """Tell whether a file differs from another in having names or not alone; two columns at least share values."""
    kinds = [[column.numeric for column in one.columns] for one in (main, table)]
    if main.options.get("header", True) == table.options.get("header", True) or kinds[0] != kinds[1]:
        return False
    pairs = zip(main.columns, table.columns, strict=True)
    return sum(not {*one.head}.isdisjoint(other.head) for one, other in pairs) >= 2


_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_MONTHS: Final = "januar|februar|march|april|june|july|august|september|october|november|december|marz|mai|juni|juli"
_PART_MARK: Final = re.compile(
    r"[a-z]?|x[a-z]{2}|a[a-z]|part|parts|teil|partie|parte|chunk|shard|batch|page|seite|block|file|of|von|copy|kopie|"
    r"csv|tsv|txt|dat|data|json|jsonl|ndjson|parquet|pq|gz|gzip|bz|xz|snappy|inter|"
    rf"jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez|{_MONTHS}|oktober|dezember|[qhw]"
)
"""Words of a file's name that say which part of the same thing it is."""
_DISLIKED: Final = frozenset({"neg", "negs", "negative", "negatives", "negativ", "down", "downvotes", "hate", "hates"})


def _counted(main: Table, alike: Sequence[Table], chosen: str | None, ask: Ask, uses: list[Use]) -> Sequence[Table]:
    """Return the files that count; ask where names tell kinds, such as likes and dislikes, and no mere parts."""
    groups: dict[tuple[str, ...], list[Table]] = {}
    for table, stem in zip(alike, _stems([table.place.shown for table in alike]), strict=True):
        groups.setdefault(stem, []).append(table)
    if len(groups) < 2:
        return alike
    if chosen is not None:
        return _without(alike, next(group for group in groups.values() if any(main is one for one in group)), uses)
    liked = {stem: group for stem, group in groups.items() if not any(map(_rejects, stem))}
    merged = [table for group in groups.values() for table in group]
    single = sorted(groups.values(), key=lambda group: -sum(table.rows for table in group))[:5]
    liking = [table for group in liked.values() for table in group]
    order = [liking, *(one for one in single if one != liking), merged] if 0 < len(liked) < len(groups) else [
        merged, *single
    ]  # fmt: skip
    shown = tuple("all, read as one" if group is merged else f"{_listed(group)} alone" for group in order)
    text = f"{_listed(merged)} have the same columns, but their names tell different things: which of them count?"
    option = "--interactions FILE; to read all as one, give them one name with numbers, such as log-1 and log-2"
    return _without(alike, order[ask(Question(text, shown, option))], uses)


def _without(alike: Sequence[Table], kept: Sequence[Table], uses: list[Use]) -> Sequence[Table]:
    left = [table for table in alike if not any(table is one for one in kept)]
    told = "the same columns, but its name tells something else, and it was not chosen"
    uses += [Use(table.place.shown, "", LEFT, told) for table in left]
    return kept


def _listed(tables: Sequence[Table]) -> str:
    shown = [table.place.base for table in tables[:4]]
    return ", ".join(shown) + (f" and {len(tables) - 4} more" if len(tables) > 4 else "")


def _rejects(word: str) -> bool:
    return word in _DISLIKED or name_score("rejecting", word) >= 0.8


def _stems(paths: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the words that tell what each file holds: no numbers, dates, marks of parts and folders of all."""
    plain = [_UUID.sub("", plain_path(path)) for path in paths]
    common = common_start(plain).rpartition("/")[0]
    return [tuple(word for part in path[len(common) :].split("/") for word in _telling(part)) for path in plain]


def _telling(name: str) -> list[str]:
    words = [word.strip("0123456789") for word in tokens(name)]
    told = [word for word in words if not any(map(str.isdigit, word)) and not _PART_MARK.fullmatch(word)]
    return [word for word in told if word != "base" and not any(word in names for names in PARTS.values())]


def _read_parts(
    main: Table, parts: Sequence[Table], uses: list[Use], warnings: list[str]
) -> tuple[Table, list[Table], dict[str, Any]]:
    """Name several files of the same columns by a glob, where it names just these; else take the largest, and warn."""
    for same in ([*parts], [table for table in parts if table.options == main.options]):
        packing = packing_of([main, *same])
        glob = path_of([main, *same]) if same and packing is not None else None
        if glob is not None and packing is not None:
            told = f"the same columns: read as {glob}"
            uses += [Use(table.place.shown, "", "interactions", told) for table in same]
            _tell_unread(
                main, [table for table in parts if not any(table is one for one in same)], same, uses, warnings
            )
            return main, same, {"path": glob, **packing}
    best = max([main, *parts], key=lambda table: table.rows)
    _tell_unread(best, [table for table in (main, *parts) if table is not best], [], uses, warnings)
    return best, [], {"path": best.place.path}


def _tell_unread(
    main: Table, unread: Sequence[Table], read: Sequence[Table], uses: list[Use], warnings: list[str]
) -> None:
    if not unread:
        return
    odd = [table.place.shown for table in unread if unpacked(table) != unpacked(main)]
    why = f"{odd[0]} is written in another way" if odd else "no pattern names just these files"
    told = f"the same columns as {main.place.shown}, but {why}; join them"
    uses += [Use(table.place.shown, "", LEFT, told) for table in unread]
    warnings.append(
        f"{_share(unread, [main, *read, *unread])} of the rows are not read: {_listed(unread)} "
        f"{'has' if len(unread) == 1 else 'have'} the same columns as {main.place.shown}, but {why}; join the files "
        "into one, or put them alone into a folder, written alike"
    )


def _share(some: Sequence[Table], of: Sequence[Table]) -> str:
    """Tell the share of rows; of large files, which are sampled, the share of bytes."""
    whole = all(table.complete for table in of)
    sizes = [[table.rows if whole else table.place.size for table in tables] for tables in (some, of)]
    return f"{'' if whole else 'about '}{sum(sizes[0]) / max(1, sum(sizes[1])):.0%}"


def check_parts(joined: Joined, roles: InteractionRoles) -> list[str]:
    """Compare the further files with what the first one told: a sentence for ratings and events that it lacks.

    Raises
    ------
    InputError
        When a file writes its times in another format.
    """
    for table in joined.read:
        _check_times(joined.main, table, roles)
    odd = [told(joined.main, table, roles) for table in joined.read for told in (_odd_ratings, _odd_events)]
    return [sentence for sentence in odd if sentence]


def _check_times(main: Table, table: Table, roles: InteractionRoles) -> None:
    if roles.times is None or roles.timestamp not in table.names:
        return
    column, wanted = table.column(roles.timestamp), roles.times.time_format
    found = times_of(column, named=True)
    fits = any(one.time_format == wanted for one in found) or (wanted is not None and reads(column, wanted))
    if found and not fits:
        raise InputError(
            f"{table.place.shown} writes its times in another way than {main.place.shown}: {roles.timestamp} is "
            f"{found[0].told}, not {wanted or roles.times.told}; write them alike, or name files of one kind"
        )


def _odd_ratings(main: Table, table: Table, roles: InteractionRoles) -> str:
    """Tell ratings that lie beyond the scale of the first file, where no rating_range makes them missing."""
    scale = roles.scale
    if scale is None or roles.rating is None or scale.outside:
        return ""
    rows = _beyond(table.column(roles.rating), scale)
    if not rows:
        return ""
    shown = ", ".join(list(rows)[:3])
    remedy = "mend them, or add them to source.interactions.rating_values"
    if not scale.values:
        remedy = "mend them, or set source.interactions.rating_range so that they are missing"
    return (
        f"{table.place.shown}: {sum(rows.values()):,} of {table.rows:,} ratings are none of the scale of "
        f"{main.place.shown}, {scale.low:g} to {scale.high:g} (such as {shown}): {remedy}"
    )


def _beyond(column: Column, scale: Scale) -> dict[str, int]:
    """Return the values that are none of a scale, the most frequent first, and their rows."""
    pairs = zip(map(str.strip, column.uniques.to_pylist()), column.counts, strict=True)
    there = sorted(((text, int(rows)) for text, rows in pairs if text not in MISSING | DASHES), key=lambda one: -one[1])
    if scale.values:
        return {text: rows for text, rows in there if text not in scale.values}
    read = [(text, number_of(text), rows) for text, rows in there]
    return {text: rows for text, number, rows in read if number is not None and not scale.low <= number <= scale.high}


def _odd_events(main: Table, table: Table, roles: InteractionRoles) -> str:
    if roles.event is None:
        return ""
    known = {str(kind).strip() for kind in main.column(roles.event).uniques.to_pylist()} | MISSING | DASHES
    column = table.column(roles.event)
    rows = zip(map(str.strip, column.uniques.to_pylist()), column.counts, strict=True)
    new = {kind: int(count) for kind, count in rows if kind not in known}
    if not new:
        return ""
    shown = ", ".join(f"{kind} ({count:,} rows)" for kind, count in [*new.items()][:5])
    return (
        f"{table.place.shown} has kinds of events that {main.place.shown} lacks: {shown}; they are left out: add those "
        "that count to source.interactions.events"
    )


def refuse_unquoted(place: Place, head: Head | None, table: Table) -> None:
    """Raise InputError where most rows have one field more than the names, and it is no name of the row."""
    dialect = dialect_of(head.text) if head is not None and table.options.get("header", True) else None
    if head is None or dialect is None or dialect.kind != "csv" or dialect.names:
        return
    names, *rows = split_rows(head.text, dialect)
    more = sum(len(row) == len(names) + 1 for row in rows)
    if more > len(rows) / 2 and len(table_names(names, rows)) == len(names):
        raise InputError(
            f"{place.shown} has {len(names) + 1} fields in {more:,} of its first {len(rows):,} rows, but {len(names)} "
            f"in its first line: a decimal comma, a date or a text holds the separator {dialect.separator!r}; put such "
            "cells in quotes, or write the file with another separator"
        )


_LEAST_WIDE, _MOST_STEPS, _MOSTLY = 8, 21, 0.8


def refuse_matrix(tables: Sequence[Table]) -> None:
    """Raise InputError for a matrix of ratings: a row a user, a column an item."""
    for table in tables:
        cells = [column for column in table.columns[1:] if column.numeric and column.distinct <= _MOST_STEPS]
        values = {float(number) for column in cells for number in column.numbers}
        wide = len(cells) >= max(_LEAST_WIDE, _MOSTLY * (len(table.columns) - 1))
        if wide and 1 < len(values) <= _MOST_STEPS:
            raise InputError(
                f"{table.place.shown} seems to be a matrix of ratings, a row a user and a column an item (such as "
                f"{cells[0].name}); write it as one row a rating with user, item and rating (in pandas: melt)"
            )
