"""``hnlm recommend``: makes the lists of all users, or answers for one.

One user may be in the model, left out by prepare (and told why), or given as a history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hnlm_ray.base.errors import InputError, WorkspaceError
from hnlm_ray.base.text import clean, redacted
from hnlm_ray.commands.output import Output, say
from hnlm_ray.commands.show.export import freshness
from hnlm_ray.commands.show.show import no_such
from hnlm_ray.commands.show.show_text import title
from hnlm_ray.commands.stages.execution import Execution
from hnlm_ray.config import Config, PrepareConfig
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.prepare.blocks import unique_positives
from hnlm_ray.prepare.duplicates import GIVEN, TRAINS
from hnlm_ray.recommend.recommender import Recommended, Recommender
from hnlm_ray.sources.readers.files import file_in
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.shown_tables import Row, ShownTables


@dataclass(frozen=True)
class LeftOut:
    """A user of the source who is not in the model: the items of the positives (source's ids), and the reason."""

    items: tuple[str, ...]
    reason: str


def find_left_out(tables: ShownTables, user_id: str, known_items: Sequence[str]) -> LeftOut | None:
    """Look for a user in ``raw_interactions``, reading no rows of others; none where the source has no such user.

    Raises
    ------
    WorkspaceError
        The raw interactions are gone or damaged, or what they were prepared by can't be told.
    """
    store = tables.workspace.table("raw_interactions")
    if not tables.readable("raw_interactions"):
        raise WorkspaceError(f"table 'raw_interactions' is not complete in {tables.workspace.uri}: run `hnlm run`")
    found = pads.dataset(store.paths(), schema=store.schema, format="parquet", filesystem=store.filesystem)
    rows = found.to_table(filter=pc.field("user_id") == user_id)
    if not rows.num_rows:
        return None
    config = prepared_by(tables.published.manifests["interactions"].depends_on)
    kept = unique_positives(rows, config)
    return LeftOut(tuple(kept["item_id"].to_pylist()), _reason(config, rows.num_rows, kept, known_items))


def prepared_by(depends_on: Mapping[str, object]) -> PrepareConfig:
    """Return the section ``prepare`` that a manifest was made by; WorkspaceError where it can't be told."""
    tree: dict[str, object] = {}
    for name, value in depends_on.items():
        *sections, key = name.split(".")
        if sections[:1] == ["prepare"]:
            node = tree
            for section in sections[1:]:
                node = node.setdefault(section, {})  # type: ignore[assignment]  # a section is a dict
            node[key] = value
    try:
        return PrepareConfig.model_validate(tree)
    except ValidationError as error:
        raise WorkspaceError("the data was prepared by another version of this program: run `hnlm run`") from error


def _reason(config: PrepareConfig, rows: int, kept: pa.Table, known_items: Sequence[str]) -> str:
    given = config.split.method == "given"
    counted = kept.filter(pc.equal(kept[GIVEN], TRAINS)) if given else kept  # as the k-core counts
    count, known = counted.num_rows, len(set(counted["item_id"].to_pylist()) & set(known_items))
    what = "training positives" if given else "positives"
    if count < config.user_core:
        return f"not in the model: {count} {what} of {rows} interactions, prepare.user_core {config.user_core}"
    if config.split.method == "time":
        return (
            f"not in the model: {count} {what}, {known} of items in the model: none of them is early enough to train "
            "on (prepare.split, method time), or too few of its items stayed"
        )
    if config.max_users is not None:
        return (
            f"not in the model: not in the sample of prepare.max_users {config.max_users}, or too few of its items "
            f"stayed ({count} {what}, {known} of items in the model, prepare.user_core {config.user_core})"
        )
    return (
        f"not in the model: {count} {what}, but {known} of items in the model (the others are below "
        f"prepare.item_core {config.item_core}), prepare.user_core {config.user_core}"
    )


Basis = Literal["model", "fold_in", "popular"]
_MODEL = ("model_users", "model_items")


@dataclass(frozen=True)
class Answers:
    """Answers from the published model, on a workspace's tables as they were at one moment."""

    tables: ShownTables
    seen: Literal["drop", "keep"]

    @classmethod
    def open(cls, tables: ShownTables, seen: Literal["drop", "keep"]) -> Answers:
        """Check that there is a model made from the data that is there.

        Raises
        ------
        WorkspaceError
            There is none, or it was made from other data.
        """
        uri, states = redacted(tables.workspace.uri), {tables.published.state(table) for table in _MODEL}
        if "absent" in states:
            raise WorkspaceError(f"there is no final model in {uri} yet: run `hnlm recommend` without a user first")
        if "outdated" in states:
            raise WorkspaceError(
                f"the final model in {uri} was made from other data than is there now: run `hnlm recommend` without "
                "a user first"
            )
        return cls(tables, seen)

    @cached_property
    def recommender(self) -> Recommender:
        """The model in memory."""
        return Recommender(self.tables.workspace, keeps_seen=self.seen == "keep")

    @cached_property
    def catalogue(self) -> pa.Table:
        """Ids and titles of the items, in index order."""
        return self.tables.read("items", ["item", "item_id", "title"]).sort_by("item").combine_chunks()

    def for_user(self, user_id: str, k: int) -> Row:
        """Return what a user of the source gets, and how it was found.

        Raises
        ------
        InputError
            The source has no such user; the sentence names close ids.
        """
        ids = self.tables.read("users", ["user", "user_id"])
        place = pc.index(ids["user_id"], user_id).as_py()
        if place >= 0:
            return self._known(user_id, int(ids["user"][place].as_py()), k)
        left_out = find_left_out(self.tables, user_id, self.catalogue["item_id"].to_pylist())
        if left_out is None:
            raise InputError(no_such("user", user_id, ids["user_id"].to_pylist()))
        return self._new(user_id, self._indices(left_out.items), k, left_out.reason)

    def _known(self, user_id: str, user: int, k: int) -> Row:
        listed = self.tables.published.manifests.get("recommendations")
        if listed and self.tables.readable("recommendations") and self._is_listed(listed.depends_on, k):
            rows = sorted(self.tables.rows_where("recommendations", user=user), key=lambda row: int(row["rank"]))
            found = [Recommended(row["item"], row["score"]) for row in rows]
            positives = self.tables.rows_where("model_users", user=user)[0]["positives"]
            return self._answer(user_id, "model", positives, found, None)
        (row,) = self.tables.rows_where("model_users", user=user)
        seen = [
            each["item"]
            for each in self.tables.rows_where("interactions", user=user)
            if self.recommender.all_seen or each["split"] == "train"
        ]
        found = self.recommender.for_vector(np.array(row["vector"], np.float32), seen, k)
        return self._answer(user_id, "model", row["positives"], found, None)

    def _is_listed(self, made_with: Mapping[str, object], k: int) -> bool:
        return made_with.get("recommend.k") == k and made_with.get("recommend.seen", "drop") == self.seen

    def for_history(self, given: Sequence[str], k: int) -> Row:
        """Return what a new user with this history gets; ``unknown_items`` names the ids that are no items.

        Raises
        ------
        InputError
            None of the ids is an item; the sentence names close ids.
        """
        wanted = list(dict.fromkeys(self._split(given)))
        known = self._indices(wanted)
        if not known:
            raise InputError(no_such("item", wanted[0], self.catalogue["item_id"].to_pylist()))
        ids = set(self.catalogue["item_id"].take(pa.array(known, pa.int64())).to_pylist())
        unknown = [item for item in wanted if item not in ids]
        note = f"not items of the model, left out: {', '.join(unknown)}" if unknown else None
        return self._new(None, known, k, note) | {"unknown_items": unknown}

    def _split(self, given: Sequence[str]) -> list[str]:
        """Return ids: a value that is an id is taken whole, else it is cut at its commas."""
        whole = pc.is_in(pa.array(given, pa.string()), value_set=self.catalogue["item_id"]).to_pylist()
        lists = [[value] if is_id else value.split(",") for value, is_id in zip(given, whole, strict=True)]
        return [value for values in lists for value in values]

    def _indices(self, ids: Sequence[str]) -> list[int]:
        found = pc.index_in(pa.array(ids, pa.string()), value_set=self.catalogue["item_id"]).to_pylist()
        return [place for place in found if place is not None]

    def _new(self, user_id: str | None, history: Sequence[int], k: int, note: str | None) -> Row:
        warm = self.recommender.warm(history)
        if warm:
            return self._answer(user_id, "fold_in", len(warm), self.recommender.for_history(warm, k), note)
        cold = "cold: no item of the history is known to the model, so these are the most popular items"
        told = cold if note is None else f"{note}; {cold}"
        return self._answer(user_id, "popular", 0, self.recommender.popular(history, k), told)

    def _answer(
        self, user_id: str | None, basis: Basis, known: int, found: Sequence[Recommended], note: str | None
    ) -> Row:
        entries = [self._entry(rank, one) for rank, one in enumerate(found, 1)]
        return {"user": user_id, "basis": basis, "known_items": known, "recommendations": entries, "note": note}

    def _entry(self, rank: int, one: Recommended) -> dict[str, Any]:
        return {
            "rank": rank,
            "item": one.item,
            "item_id": self.catalogue["item_id"][one.item].as_py(),
            "title": self.catalogue["title"][one.item].as_py(),
            "score": one.score,
            "positives": int(self.recommender.items.positives[one.item]),
        }


STAGE = "recommendations"
_BASES = {
    "model": "from the model, trained on {known} of the user's items",
    "fold_in": "folded in from {known} items",
    "popular": "the most popular items",
}


def recommend_to_all(execution: Execution, options: str) -> None:
    """Run what is not fresh up to the lists, then say where they lie and whom they leave out."""
    ran = execution.run(only=find_stage(STAGE))
    answer = {**read_summary(execution.workspace), "log": execution.invocation.log, "ran": ran}
    execution.output.emit(answer, lambda console: _show_summary(console, answer, options))


def read_summary(workspace: Workspace) -> dict[str, Any]:
    """Return where the lists lie, of which model they are, and how many users and items are left out as cold.

    ``cold_users`` have positives in the source and are not in the model; ``cold_items`` are in the catalogue without
    a positive that the model was trained on.
    """
    lists, model, prepared = (
        workspace.table(name).published() for name in ("recommendations", "model_users", "interactions")
    )
    before, users = prepared.counts.get("users_before"), prepared.counts.get("users")
    cold = before - users if isinstance(before, int) and isinstance(users, int) else None
    return {
        "workspace": redacted(workspace.uri),
        "table": redacted(file_in(workspace.uri, "tables/recommendations")),
        "users": lists.counts["users"],
        "rows": sum(file.rows for file in lists.files),
        "k": lists.depends_on["recommend.k"],
        "seen": lists.depends_on.get("recommend.seen", "drop"),
        "short_lists": lists.counts["short_lists"],
        "cold_users": cold,
        "cold_items": lists.counts["cold_items"],
        "model": dict(model.counts),
    }


def _show_summary(console: Console, answer: dict[str, Any], options: str) -> None:
    model = answer["model"]
    say(console, f"{model['method']}, trained on {model['positives']:,} positives ({model['train_on']})")
    say(console, f"{answer['rows']:,} recommendations for {answer['users']:,} users in {answer['table']}")
    if answer["seen"] == "keep":
        say(
            console,
            "they may hold what a user chose before (recommend.seen keep); `hnlm results` is of new items alone",
        )
    cold_users = "unknown" if answer["cold_users"] is None else f"{answer['cold_users']:,}"
    say(console, f"{cold_users} users of the source are not in the model: --user folds one in from what it knows")
    say(console, f"{answer['cold_items']:,} items without a positive are recommended to nobody")
    say(console, f"next: hnlm recommend {redacted(options)} --user ID")


def recommend_to_one(
    config: Config, workspace: Workspace, output: Output, *, user: str | None, history: Sequence[str], k: int | None
) -> None:
    """Print the recommendations of a user of the source, or of a new one with a history.

    Raises
    ------
    InputError
        There is no such user, none of the history is an item, or both are given.
    WorkspaceError
        There is no model yet, or it was made from other data.
    """
    if user is not None and history:
        raise InputError("--user and --history exclude each other: a user of the source has a history of its own")
    answers = Answers.open(ShownTables.open(workspace), config.recommend.seen)
    fresh, reason = freshness(config, workspace, "model_users", "model")
    wanted = config.recommend.k if k is None else k
    found = answers.for_history(history, wanted) if user is None else answers.for_user(user, wanted)
    answer = {**found, "fresh": fresh, "reason": reason}
    output.emit(answer, lambda console: _show_answer(console, answer))


def _show_answer(console: Console, answer: dict[str, Any]) -> None:
    whose = "a new user" if answer["user"] is None else f"user {answer['user']}"
    say(console, f"{whose}: {_BASES[answer['basis']].format(known=answer['known_items'])}")
    if answer["note"]:
        say(console, f"note: {answer['note']}")
    table = Table("", "item", "title", "score", "positives", box=None, pad_edge=False)
    for row in answer["recommendations"]:
        score = "" if row["score"] is None else f"{row['score']:.4g}"
        cells = (str(row["rank"]), clean(row["item_id"]), title(row), score, str(row["positives"]))
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
