"""What the files are: the section ``source`` of a configuration, with the evidence for each value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.discover.files.heads import Head, read_head
from hnlm_ray.discover.files.inputs import Place, expand
from hnlm_ray.discover.files.names import name_score, tokens
from hnlm_ray.discover.files.sample import Ask, Overrides, Question, Table, read_table
from hnlm_ray.discover.found import (
    LEFT,
    Comments,
    Understanding,
    Use,
    check_parts,
    join_files,
    refuse_matrix,
    refuse_unquoted,
    same_columns,
)
from hnlm_ray.discover.item_files import FOLDED, ItemFiles, describe_by_interactions, missing_words
from hnlm_ray.discover.published import Published, known_layout, refuse_page
from hnlm_ray.discover.roles.events import cancellations, guests, has_commas
from hnlm_ray.discover.roles.interactions import InteractionRoles, choose_pair, interaction_roles, unused
from hnlm_ray.discover.roles.links import about_items, close_links, dress_within
from hnlm_ray.discover.roles.pairs import Pair, is_transaction, lists_things, ranked_pairs

_NAMED = 0.8
_CLEARLY = 1.0


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
        ItemFiles(found, layout.pairs, "user", "item", wanted, ask, tables).add(tables)
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
            head = read_head(place)
            refuse_page(place, head)
            heads[place] = head
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
            refuse_unquoted(place, head, table)
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
    try:
        main, pairs = _interactions(tables, wanted, ask)
    except InputError:
        refuse_matrix(tables)
        raise
    _refuse_orders(main, pairs[0], tables, wanted)
    joined = join_files(main, tables, wanted, ask, uses)
    main, others = joined.main, joined.others
    pair = choose_pair(main, pairs, ask)
    roles = interaction_roles(main, pair, wanted, ask)
    exact = [name for name in (roles.rating, roles.timestamp) if name is not None]
    options = {**main.options, **joined.options, **missing_words(main, roles.used, (pair.user, pair.item), exact)}
    commas = roles.quantity is not None and has_commas(main.column(roles.quantity))
    tree = _interaction_tree(options, roles, commas=commas)
    found = Understanding({"format": "table", "interactions": tree}, uses=uses)
    found.min_rating = roles.scale.min_rating if roles.scale else None
    found.given = joined.given
    found.split = wanted.split
    _check_split(found, wanted)
    found.warnings += [*main.warnings, *joined.warnings, *check_parts(joined, roles)]
    found.warnings += [*guests(main, pair.user), *([] if roles.quantity else cancellations(main))]
    _fold_within(found, main, (pair.user, pair.item), wanted, ask)
    _tell_interactions(found, main, roles)
    ItemFiles(found, main, pair.user, pair.item, wanted, ask, others).add(others)
    own = [] if "items" in found.source else describe_by_interactions(found, main, pair.item, roles.used, wanted)
    rest = [column for column in main.columns if column.name not in {*roles.used, *own}]
    found.uses += [Use(main.place.shown, one.name, LEFT, unused(one)) for one in rest]
    found.source = {key: found.source[key] for key in _ORDER if key in found.source}
    return found


def _check_split(found: Understanding, wanted: Overrides) -> None:
    if wanted.split in {"time", "leave_last_out"} and "timestamp" not in found.source["interactions"]["columns"]:
        raise InputError(f"--split {wanted.split} needs times, and no column holds any: name it with --time")
    if wanted.split == "given" and not found.given:
        raise InputError("--split given needs files whose names say train and test: name both")


_ORDER: Final = ("format", "fold_ids", "interactions", "items", "more_items")


def _fold_within(found: Understanding, main: Table, names: Sequence[str], wanted: Overrides, ask: Ask) -> None:
    """Ask about ids of one column that differ in dress alone, or do as the user said."""
    if wanted.fold_ids:
        found.source["fold_ids"] = [*wanted.fold_ids]
        found.comments["source", "fold_ids"] = "as you said"
        return
    for name in names:
        dress = dress_within(main.column(name))
        if dress is None:
            continue
        text = (
            f"{dress.merged:,} of {main.column(name).distinct:,} ids of {main.place.shown}:{name} are those of others "
            f"but for {FOLDED[dress.folds[0]]}; are they the same?"
        )
        choices = ("no, each is one of its own", f"yes, ids lose {FOLDED[dress.folds[0]]}")
        order = choices[::-1] if dress.folds[0] != "case" else choices
        if order[ask(Question(text, order, f"--fold-ids {dress.folds[0]}"))] == choices[1]:
            found.source["fold_ids"] = [*dict.fromkeys([*found.source.get("fold_ids", []), *dress.folds])]
            found.comments["source", "fold_ids"] = f"{dress.merged:,} ids become those of others"


def _refuse_orders(main: Table, pair: Pair, tables: Sequence[Table], wanted: Overrides) -> None:
    """Stop where the likeliest user is an order or a basket; name the join that gives the user, if a file has it."""
    if wanted.user is not None or not is_transaction(main, pair.user):
        return
    for other in tables:
        users = [name for name in other.names if name_score("user", name) >= _NAMED]
        link = next((one for one in close_links(main, other) if one.column == pair.user), None)
        if other is not main and users and link is not None:
            raise InputError(
                f"{main.place.shown} has no column of users: its {pair.user} is in {other.place.shown} beside "
                f"{users[0]}; join the two on {pair.user} and name the joined file (to take each {pair.user} as a "
                f"user: --user {pair.user})"
            )
    raise InputError(
        f"{main.place.shown} has no column of users: {pair.user} seems to number orders, each of one time; name the "
        f"users' column with --user (to take each order as a user: --user {pair.user})"
    )


def _interactions(tables: Sequence[Table], wanted: Overrides, ask: Ask) -> tuple[Table, list[Pair]]:
    """Choose the file of interactions: the one with the best pair of user and item, by names, values and size."""
    scored: list[tuple[float, Table, list[Pair]]] = []
    for table in _asked_for(tables, wanted):
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
    order = sorted(scored, key=lambda one: -one[0])
    rivals = [one for one in order if one is order[0] or _rivals(one, order[0])]
    if len(rivals) == 1:
        return order[0][1], order[0][2]
    text = "several files have a user beside an item: which holds the interactions?"
    choices = tuple(f"{table.place.shown} ({', '.join(table.names[:6])})" for _, table, _ in rivals[:6])
    at = ask(Question(text, choices, "--interactions"))
    return rivals[at][1], rivals[at][2]


def _asked_for(tables: Sequence[Table], wanted: Overrides) -> Sequence[Table]:
    if wanted.interactions is None:
        return tables
    chosen = [table for table in tables if wanted.interactions in {table.place.shown, table.place.base}]
    if not chosen:
        raise InputError(
            f"--interactions {wanted.interactions} is none of the files that hold a table: "
            f"{', '.join(table.place.shown for table in tables[:10])}"
        )
    return chosen


def _rivals(one: tuple[float, Table, list[Pair]], best: tuple[float, Table, list[Pair]]) -> bool:
    """Tell whether another file, of other columns, plainly has a user beside an item as the best one has."""
    plain = all(
        min(name_score("user", pairs[0].user), name_score("item", pairs[0].item)) >= _NAMED
        or (pairs[0].user.startswith("column_") and pairs[0].item.startswith("column_"))
        for _, _, pairs in (one, best)
    )
    return plain and not same_columns(one[1], best[1]) and best[0] - one[0] < _CLEARLY


def _looks_like_interactions(table: Table) -> float:
    stem = table.place.base.split(".")[0]
    named = max(name_score("interactions_file", stem), 0.0)
    rated = any(name_score("rating", name) >= 0.8 for name in table.names)
    timed = any(name_score("time", name) >= 0.8 for name in table.names)
    keyed = any(column.all_distinct and name_score("row", column.name) < 0.8 for column in table.columns[:1])
    tagged = any(name_score("tag", part) == 1.0 for name in table.names for part in tokens(name))
    return 0.5 * named + 0.3 * rated + 0.3 * timed - 0.7 * keyed - 0.8 * tagged + len(str(table.rows)) / 10


def _no_interactions(tables: Sequence[Table]) -> str:
    shown = "; ".join(
        f"{table.place.shown} has {', '.join(map(repr, table.names[:8]))} in {table.rows:,} rows"
        for table in tables[:3]
    )
    return (
        f"no file holds interactions, a column of users beside one of items, each id in several rows ({shown}); "
        "name the columns with --user and --item, or name the file that has them"
    )


def _interaction_tree(options: dict[str, Any], roles: InteractionRoles, *, commas: bool) -> dict[str, Any]:
    columns: dict[str, Any] = {"user": roles.user, "item": roles.item}
    columns |= {"rating": roles.rating} if roles.rating else {}
    columns |= {"timestamp": roles.timestamp} if roles.timestamp else {}
    columns |= {"event": roles.event} if roles.event else {}
    columns |= {"quantity": roles.quantity} if roles.quantity else {}
    columns |= {"review": list(roles.review)} if roles.review else {}
    tree = {"path": options["path"], **options, "columns": columns}
    if roles.times is not None and roles.times.time_format is not None:
        tree["time_format"] = roles.times.time_format
    tree |= {"events": [*roles.events]} if roles.event else {}
    odd = False
    if roles.scale is not None:
        tree |= {"rating_values": dict(roles.scale.values)} if roles.scale.values else {}
        tree |= {"rating_range": [roles.scale.low, roles.scale.high]} if roles.scale.outside else {}
        odd = bool(roles.scale.odd)
    if roles.times is not None:
        tree |= {"time_range": [*_KNOWN_TIMES]} if roles.times.outside else {}
        odd = odd or bool(roles.times.odd)
    tree |= {"decimal": ","} if commas or (roles.scale is not None and roles.scale.decimal == ",") else {}
    return tree | ({"unreadable": "missing"} if odd else {})


_KNOWN_TIMES: Final = ("1971-01-01", "2099-12-31")


def _tell_interactions(found: Understanding, main: Table, roles: InteractionRoles) -> None:
    place = ("source", "interactions")
    names = {"user": roles.user, "item": roles.item, "rating": roles.rating, "timestamp": roles.timestamp}
    names |= {"event": roles.event, "quantity": roles.quantity}
    odd = "cells that can't be read, or lie outside, have no value; their rows stay and are counted"
    found.comments |= {(*place, option): odd for option in ("rating_range", "time_range", "unreadable")}
    found.comments |= {(*place, "missing"): "words for a missing value", (*place, "events"): "the kinds that count"}
    found.comments[*place, "decimal"] = "ratings have a decimal comma"
    found.comments |= {(*place, option): told for option, told in main.told.items()}
    found.comments[place] = f"{main.rows:,} rows{'' if main.complete else ' looked at'}"
    for role, name in names.items():
        if name is not None:
            found.comments[(*place, "columns", role)] = roles.why[name]
            found.uses.append(Use(main.place.shown, name, role, roles.why[name]))
    for name in roles.review:
        found.comments[(*place, "columns", "review")] = roles.why[name]
        found.uses.append(Use(main.place.shown, name, "review", roles.why[name]))
