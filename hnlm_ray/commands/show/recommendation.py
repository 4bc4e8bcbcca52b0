"""One user's recommendations: of a user in the model, of one that prepare left out, of a history given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import InputError, WorkspaceError
from hnlm_ray.base.redaction import redacted
from hnlm_ray.commands.show.left_out import find_left_out
from hnlm_ray.commands.show.show import no_such
from hnlm_ray.recommend.recommender import Recommended, Recommender
from hnlm_ray.workspace.shown_tables import Row, ShownTables

Basis = Literal["model", "fold_in", "popular"]
_MODEL = ("model_users", "model_items")


@dataclass(frozen=True)
class Answers:
    """Answers from the published model, on a workspace's tables as they were at one moment."""

    tables: ShownTables

    @classmethod
    def open(cls, tables: ShownTables) -> Answers:
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
        return cls(tables)

    @cached_property
    def recommender(self) -> Recommender:
        """The model in memory."""
        return Recommender(self.tables.workspace)

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
        if listed and self.tables.readable("recommendations") and listed.depends_on.get("recommend.k") == k:
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
