"""The files about items: which they are, how they are linked, and what their columns tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hnlm_ray.discover.files.columns import DASHES, MISSING, ZERO_DATES
from hnlm_ray.discover.files.inputs import Place
from hnlm_ray.discover.files.sample import Ask, Overrides, Question, Table
from hnlm_ray.discover.found import LEFT, Understanding, Use
from hnlm_ray.discover.roles.items import ItemRoles, described_by, item_roles
from hnlm_ray.discover.roles.links import (
    Dress,
    Link,
    about_items,
    best_link,
    dress_between,
    item_link,
    users_link,
)

_SURE_LINK = 1.4
"""A link to another column of the items' file alone: nearly all values, under the same name."""


@dataclass(frozen=True)
class ItemFiles:
    """Adds files about items to what was found.

    Attributes
    ----------
    found
        Gets the sections ``items`` and ``more_items``.
    main
        The interactions.
    user, item
        Its columns of ids.
    """

    found: Understanding
    main: Table
    user: str
    item: str
    wanted: Overrides
    ask: Ask
    all: Sequence[Table] = ()

    def add(self, others: Sequence[Table]) -> None:
        """Add the best linked file, then further ones about the same items."""
        others = [other for other in others if not self._says_nothing(other)]
        links = {other.place: link for other in others if (link := item_link(self.main, other, self.user, self.item))}
        self._fold(others, links)
        linked = [other for other in others if other.place in links]
        first = max(linked, key=lambda one: self._worth(one, links[one.place]), default=None)
        if first is None:
            self.found.uses += [Use(other.place.shown, "", LEFT, self._unlinked(other)) for other in others]
            return
        self.found.source["items"] = self._file(("items",), first, links[first.place], self.main)
        key = frozenset({links[first.place].key})
        more = [self._further(other, first, links.get(other.place), key) for other in others if other is not first]
        if files := [file for file in more if file is not None]:
            self.found.source["more_items"] = files
            self._number_comments()

    def _says_nothing(self, other: Table) -> bool:
        """Leave out a file that has the items' ids and no more: the LLM would be asked to describe nothing."""
        link = item_link(self.main, other, self.user, self.item)
        if link is None:
            return False
        roles = item_roles(other, link.key, "", self._title(other))
        others = (one for one in self.all if one is not other)
        if (
            roles.title
            or roles.attributes
            or roles.text
            or any(best_link(other, one, frozenset({link.key})) for one in others)
        ):
            return False
        self.found.uses.append(Use(other.place.shown, "", LEFT, "it says nothing of the items but their ids"))
        return True

    def _title(self, table: Table) -> str | None:
        return self.wanted.title if self.wanted.title in table.names else None

    def _fold(self, others: Sequence[Table], links: dict[Place, Link]) -> None:
        """Ask whether ids that differ in dress alone are the same: '12.0' and '12', ' a1' and 'A1'."""
        column = self.main.column(self.item)
        for other in others:
            if about_items(other) < 0 or self.found.source.get("format") != "table":
                continue
            dress = dress_between(column, other)
            if dress is None or (other.place in links and dress.found <= links[other.place].found + _GAIN):
                continue
            known = {*self.wanted.fold_ids, *self.found.source.get("fold_ids", ())}
            if not {*dress.folds} <= known and self._declines(other, dress):
                continue
            folds = self.wanted.fold_ids or dress.folds
            self.found.source["fold_ids"] = [*dict.fromkeys([*self.found.source.get("fold_ids", []), *folds])]
            self.found.comments["source", "fold_ids"] = f"{dress.found:.0%} of the items are found so, {_share(dress)}"
            links[other.place] = Link(self.item, dress.key, dress.found, dress.found, rows_a_key=_repeats(other, dress))

    def _declines(self, other: Table, dress: Dress) -> bool:
        text = (
            f"{dress.found:.0%} of the values of {self.main.place.base}:{self.item} would be found in "
            f"{other.place.base}:{dress.key} without {FOLDED[dress.folds[0]]}, and {_share(dress)}; are they "
            "the same ids?"
        )
        choices = (
            f"yes, ids lose {' and '.join(FOLDED[fold] for fold in dress.folds)}",
            "no, other ids are other items",
        )
        return self.ask(Question(text, choices, f"--fold-ids {','.join(dress.folds)}")) == 1

    def _worth(self, table: Table, link: Link) -> float:
        return link.score + 0.5 * about_items(table) + 9.0 * (self.wanted.title in table.names)

    def _further(self, other: Table, first: Table, direct: Link | None, key: frozenset[str]) -> dict[str, Any] | None:
        """Link a file by the item's id, or by another column of the first file, whichever fits better."""
        further = best_link(first, other, key)
        place = ("more_items", other.place.shown)
        if further is not None and further.score > (direct.score if direct else _SURE_LINK):
            tree = self._file(place, other, further, first)
            columns = tree.pop("columns")
            return {**tree, "link": further.column, "columns": columns}
        if direct is not None:
            return self._file(place, other, direct, self.main)
        self.found.uses.append(Use(other.place.shown, "", LEFT, self._unlinked(other)))
        return None

    def _file(self, section: tuple[str, ...], table: Table, link: Link, of: Table) -> dict[str, Any]:
        told = f"{link.found:.1%} of the values of {of.place.base}:{link.column} are in it"
        roles = item_roles(table, link.key, told, self._title(table))
        place = ("source", *section)
        self.found.comments |= {(*place, option): why for option, why in table.told.items()}
        self.found.comments[*place, "link"] = link.told(table)
        self.found.comments[*place, "missing"] = "words for a missing value"
        _tell(self.found, place, table, roles)
        self.found.warnings += table.warnings
        if link.rows_a_key > _ROWS_A_KEY:
            self.found.warnings.append(
                f"{table.place.shown}: an item has {link.rows_a_key:.1f} rows on average; the first of each counts, "
                "and what only the others say is left out"
            )
        if link.found < _MOST_FOUND and of is self.main:
            self.found.warnings.append(
                f"{table.place.shown} describes {link.found:.0%} of the items of {of.place.base}:{link.column}; the "
                "LLM knows the others by their ids alone"
            )
        options = {**table.options, **missing_words(table, [roles.title, *roles.attributes, *roles.text], [roles.item])}
        return {"path": table.place.path, **options, "columns": _columns(roles)}

    def _unlinked(self, other: Table) -> str:
        if about_items(other) < 0:
            return "about people, and users are described by what they chose"
        if link := users_link(self.main, other, self.user, self.item):
            return f"{link.key} fits the users ({link.column}) better than the items ({self.item})"
        return "none of its columns is linked to the items"

    def _number_comments(self) -> None:
        """Put the comments of further files, noted by file, at their position in the list."""
        noted = dict.fromkeys(path[2] for path in self.found.comments if path[:2] == ("source", "more_items"))
        at = {name: str(position) for position, name in enumerate(noted)}
        for path in [path for path in self.found.comments if path[:2] == ("source", "more_items")]:
            self.found.comments[*path[:2], at[path[2]], *path[3:]] = self.found.comments.pop(path)


def describe_by_interactions(
    found: Understanding, main: Table, item: str, taken: Sequence[str], wanted: Overrides
) -> list[str]:
    """Describe items by columns of the interactions that say the same in each row of an item; return them."""
    own = described_by(main, item, taken)
    named = main.column(item).readable
    if not own and not named:
        return []
    told = "one file for both: an item's first row tells of it, the others repeat it"
    rows = main.column(item).first_rows()
    once = replace(main, columns=tuple(main.column(name).taken(rows) for name in (item, *own)))
    roles = item_roles(once, item, told, wanted.title if wanted.title in own else None)
    if roles.title is None and named:
        roles = replace(roles, title=item, why={**roles.why, item: "the ids are names that people can read"})
    options = {key: value for key, value in found.source["interactions"].items() if key in {"path", *main.options}}
    found.source["items"] = {**options, "columns": _columns(roles)}
    _tell(found, ("source", "items"), main, roles)
    return own


def _columns(roles: ItemRoles) -> dict[str, Any]:
    columns: dict[str, Any] = {"item": roles.item, "title": roles.title}
    columns |= {"attributes": list(roles.attributes)} if roles.attributes else {}
    return columns | ({"text": list(roles.text)} if roles.text else {})


def _tell(found: Understanding, place: tuple[str, ...], table: Table, roles: ItemRoles) -> None:
    named = {"item": (roles.item,), "title": (roles.title,), "attribute": roles.attributes, "text": roles.text}
    for role, names in named.items():
        found.uses += [Use(table.place.shown, name, role, roles.why[name]) for name in names if name is not None]
    shown = "no column tells the items' names" if roles.title is None else roles.why[roles.title]
    columns = (*place, "columns")
    found.comments |= {(*columns, "item"): roles.why[roles.item], (*columns, "title"): shown}
    found.comments |= {(*columns, "attributes"): "short facts", (*columns, "text"): "longer texts"}
    found.uses += [Use(table.place.shown, name, LEFT, told) for name, told in roles.left.items()]


_GAIN = 0.02
_ROWS_A_KEY = 1.05
_MOST_FOUND = 0.8
FOLDED: Final = {
    "blanks": "blanks around them",
    "decimals": "the '.0' behind them",
    "zeros": "leading zeros",
    "case": "the difference of case",
    "unicode": "other forms of a character",
}


def _share(dress: Dress) -> str:
    return f"{dress.before:.0%} as they are"


def _repeats(other: Table, dress: Dress) -> float:
    return other.column(dress.key).repetition


_PLAIN_WORDS: Final = frozenset({"NULL", "null", "(null)", "#NULL!", "NaN", "nan", "<NA>", "#N/A", "\\N"})
"""Words that no person uses as an id or a title, but for one or two cells."""
_LEAST_CELLS = 3


def missing_words(
    table: Table, names: Sequence[str | None], ids: Sequence[str] = (), exact: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the option ``missing`` of a file: the words for a missing value that stand in the columns that are used.

    ``exact`` are columns of ratings and times, where each such word or dash is one, in ``ids`` each word; elsewhere a
    word that could be a name must stand in three rows.
    """
    words: dict[str, int] = {}
    for column in table.columns:
        if column.name in exact:
            words |= column.rows_of(MISSING | DASHES | ZERO_DATES)
        elif column.name in ids:
            words |= column.missing
        elif column.name in names:
            words |= {
                word: rows for word, rows in column.missing.items() if word in _PLAIN_WORDS or rows >= _LEAST_CELLS
            }
    return {"missing": list(words)} if words else {}
