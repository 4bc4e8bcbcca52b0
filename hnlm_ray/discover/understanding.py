"""What the files are: the section ``source`` of a configuration, with the evidence for each value.

The files about items: which they are, how they are linked, and what their columns tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hnlm_ray.base.errors import InputError
from hnlm_ray.discover.files.heads import Head, read_head
from hnlm_ray.discover.files.inputs import Place, expand
from hnlm_ray.discover.files.names import name_score
from hnlm_ray.discover.files.sample import Ask, Table, read_table
from hnlm_ray.discover.found import LEFT, Comments, Understanding, Use, path_of, same_columns
from hnlm_ray.discover.overrides import Overrides
from hnlm_ray.discover.published import Published, known_layout
from hnlm_ray.discover.roles.interactions import InteractionRoles, choose_pair, interaction_roles
from hnlm_ray.discover.roles.items import ItemRoles, described_by, item_roles, unfit
from hnlm_ray.discover.roles.links import Link, about_items, best_link, close_links, item_link, users_link
from hnlm_ray.discover.roles.pairs import Pair, lists_things, ranked_pairs

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

    def add(self, others: Sequence[Table]) -> None:
        """Add the best linked file, then further ones about the same items."""
        links = {other.place: link for other in others if (link := item_link(self.main, other, self.user, self.item))}
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
        title = self.wanted.title if self.wanted.title in table.names else None
        told = f"{link.found:.1%} of the values of {of.place.base}:{link.column} are in it"
        roles = item_roles(table, link.key, told, title)
        place = ("source", *section)
        self.found.comments |= {(*place, option): why for option, why in table.told.items()}
        self.found.comments[*place, "link"] = link.told(table)
        _tell(self.found, place, table, roles)
        return {"path": table.place.path, **table.options, "columns": _columns(roles)}

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


def understand(paths: Sequence[str], wanted: Overrides, ask: Ask) -> Understanding:
    """Tell what files hold.

    Raises
    ------
    InputError
        When no file has interactions, or one that was named can't be read.
    """
    heads, uses = _heads(expand(paths))
    layout = None if wanted.of_interactions else known_layout(heads)
    if layout is not None and layout.pairs is None:
        rest = [
            Use(place.shown, "", LEFT, "the publisher's format does not need it")
            for place in heads
            if place not in layout.used
        ]
        return _published(layout, [*uses, *rest])
    taken = () if layout is None else layout.used
    tables, unread = _tables({place: head for place, head in heads.items() if place not in taken}, wanted, ask)
    uses += unread
    if layout is not None and layout.pairs is not None:
        found = _published(layout, uses)
        ItemFiles(found, layout.pairs, "user", "item", wanted).add(tables)
        return found
    if not tables:
        raise InputError(f"no file holds a table: {'; '.join(f'{use.file}: {use.why}' for use in uses[:3])}")
    wanted.check(tables)
    return _from_tables(tables, wanted, ask, uses)


def _heads(places: Sequence[Place]) -> tuple[dict[Place, Head | None], list[Use]]:
    heads: dict[Place, Head | None] = {}
    uses: list[Use] = []
    for place in places:
        try:
            heads[place] = read_head(place)
        except InputError as error:
            if place.named:
                raise
            uses.append(Use(place.shown, "", LEFT, str(error).removeprefix(f"{place.shown} ")))
    return heads, uses


def _tables(heads: dict[Place, Head | None], wanted: Overrides, ask: Ask) -> tuple[list[Table], list[Use]]:
    tables: list[Table] = []
    uses: list[Use] = []
    for place, head in heads.items():
        try:
            table = read_table(place, head, ask, header=wanted.header)
        except InputError as error:
            if place.named:
                raise
            uses.append(Use(place.shown, "", LEFT, str(error).removeprefix(f"{place.shown} ")))
            continue
        twin = next((other for other in tables if _same_rows(table, other)), None)
        if twin is None:
            tables.append(table)
        else:
            uses.append(Use(place.shown, "", LEFT, f"the same rows as {twin.place.shown}"))
    return tables, uses


def _same_rows(left: Table, right: Table) -> bool:
    return left.names == right.names and all(
        one.values.equals(other.values) for one, other in zip(left.columns, right.columns, strict=True)
    )


def _published(layout: Published, uses: list[Use]) -> Understanding:
    comments: Comments = {("source", "format"): f"known by {layout.told}"}
    mine = [Use(place.shown, "", str(layout.source["format"]), f"known by {layout.told}") for place in layout.used]
    return Understanding(dict(layout.source), comments, [*mine, *uses], layout.min_rating, layout.given)


def _from_tables(tables: list[Table], wanted: Overrides, ask: Ask, uses: list[Use]) -> Understanding:
    main, pairs = _interactions(tables, wanted)
    pair = choose_pair(main, pairs, ask)
    parts = [table for table in tables if table is not main and same_columns(table, main)]
    others = [table for table in tables if table is not main and table not in parts]
    roles = interaction_roles(main, pair, wanted, ask)
    options = {**main.options, "path": path_of(main, parts, uses)}
    found = Understanding({"format": "table", "interactions": _interaction_tree(options, roles)}, uses=uses)
    found.min_rating = roles.scale.min_rating if roles.scale else None
    _tell_interactions(found, main, roles)
    ItemFiles(found, main, pair.user, pair.item, wanted).add(others)
    own = [] if "items" in found.source else describe_by_interactions(found, main, pair.item, roles.used, wanted)
    rest = [column for column in main.columns if column.name not in {*roles.used, *own}]
    found.uses += [Use(main.place.shown, one.name, LEFT, unfit(one) or "no role in an interaction") for one in rest]
    return found


def _interactions(tables: Sequence[Table], wanted: Overrides) -> tuple[Table, list[Pair]]:
    """Choose the file of interactions: the one with the best pair of user and item, by names, values and size."""
    scored: list[tuple[float, Table, list[Pair]]] = []
    for table in tables:
        others = [
            other
            for other in tables
            if other is not table and not same_columns(other, table) and about_items(other) > 0
        ]
        found = [close_links(table, other) for other in others]
        links = {link.column: link.rank for close in found for link in close}
        tied = frozenset(link.column for close in found if len(close) > 1 for link in close)
        pairs = ranked_pairs(table, links, wanted.user, wanted.item, tied=tied) if wanted.fits(table) else []
        if pairs and (wanted.user or wanted.item or not lists_things(table, pairs[0])):
            scored.append((pairs[0].score + _looks_like_interactions(table), table, pairs))
    if not scored:
        raise InputError(_no_interactions(tables))
    _, table, pairs = max(scored, key=lambda one: one[0])
    return table, pairs


def _looks_like_interactions(table: Table) -> float:
    stem = table.place.base.split(".")[0]
    named = max(name_score("interactions_file", stem), 0.0)
    rated = any(name_score("rating", name) >= 0.8 for name in table.names)
    timed = any(name_score("time", name) >= 0.8 for name in table.names)
    keyed = any(column.all_distinct and name_score("row", column.name) < 0.8 for column in table.columns[:1])
    return 0.5 * named + 0.3 * rated + 0.3 * timed - 0.7 * keyed + len(str(table.rows)) / 10


def _no_interactions(tables: Sequence[Table]) -> str:
    shown = "; ".join(f"{table.place.shown} has {', '.join(map(repr, table.names[:8]))}" for table in tables[:3])
    return (
        f"no file holds interactions, a column of users beside one of items, each id in several rows ({shown}); "
        "name the columns with --user and --item, or name the file that has them"
    )


def _interaction_tree(options: dict[str, Any], roles: InteractionRoles) -> dict[str, Any]:
    columns: dict[str, Any] = {"user": roles.user, "item": roles.item}
    columns |= {"rating": roles.rating} if roles.rating else {}
    columns |= {"timestamp": roles.timestamp} if roles.timestamp else {}
    columns |= {"review": list(roles.review)} if roles.review else {}
    tree = {"path": options["path"], **options, "columns": columns}
    if roles.times is not None and roles.times.time_format is not None:
        tree["time_format"] = roles.times.time_format
    if roles.scale is not None and roles.scale.values:
        tree["rating_values"] = dict(roles.scale.values)
    return tree


def _tell_interactions(found: Understanding, main: Table, roles: InteractionRoles) -> None:
    place = ("source", "interactions")
    names = {"user": roles.user, "item": roles.item, "rating": roles.rating, "timestamp": roles.timestamp}
    found.comments |= {(*place, option): told for option, told in main.told.items()}
    found.comments[place] = f"{main.rows:,} rows{'' if main.complete else ' looked at'}"
    for role, name in names.items():
        if name is not None:
            found.comments[(*place, "columns", role)] = roles.why[name]
            found.uses.append(Use(main.place.shown, name, role, roles.why[name]))
    for name in roles.review:
        found.comments[(*place, "columns", "review")] = roles.why[name]
        found.uses.append(Use(main.place.shown, name, "review", roles.why[name]))
