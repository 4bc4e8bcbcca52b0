"""The query of a pair as token ids with places for CF vectors: one definition for training and inference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.llm.text.prompts import TextFolder, text_version

SLOTS: Final = ("user_vector", "user", "item_vector", "item")
USER_VECTOR, ITEM_VECTOR = -1, -2
"""Ids that stand for one soft token of the user's or the item's vector."""
_SLOT = re.compile(r"\{(\w+)\}")
_SHIPPED: Final = TextFolder("hnlm_ray.finetune", "queries", "query")
_LEAST_ROOM = 8


@dataclass(frozen=True)
class QueryText:
    """A query's text with its four slots; ``version`` is the file's name and the first characters of its hash."""

    version: str
    text: str

    def pieces(self) -> list[str]:
        """Return fixed texts and slot names in turn: even places are text, odd ones names of :data:`SLOTS`."""
        return _SLOT.split(self.text)


def load_query(name: str) -> QueryText:
    """Read a query by its shipped name (``hard_negative_query.v1``) or a file's path.

    Raises
    ------
    InputError
        When it does not exist, or does not hold each slot once.
    """
    text = _SHIPPED.read(name)
    return check_query(QueryText(text_version(name, text), text.rstrip("\n")))


def check_query(query: QueryText) -> QueryText:
    """Return the query; InputError unless each slot stands in it once and text follows the last."""
    pieces = query.pieces()
    if sorted(pieces[1::2]) != sorted(SLOTS):
        wanted = ", ".join(f"{{{slot}}}" for slot in SLOTS)
        raise InputError(f"query '{query.version}' needs each of {wanted} once, and no other name in braces")
    if not pieces[-1].strip():
        raise InputError(f"query '{query.version}' must end in text of its own: its last token is what is pooled")
    return query


@dataclass(frozen=True)
class QueryForm:
    """What shapes a query beside its text; it travels with the exported model.

    ``soft_tokens`` places for each vector; 0: vectors are printed as numbers instead (as the paper's authors do).
    """

    soft_tokens: int
    max_tokens: int


@dataclass(frozen=True)
class Query:
    """Token ids, with :data:`USER_VECTOR` and :data:`ITEM_VECTOR` where soft tokens go; how many were cut off."""

    ids: list[int]
    cut: int


class QueryEncoder:
    """Turns texts (and, printed, vectors) into queries.

    Only the user's and the item's text are ever cut, the longer one first: the fixed text stays whole, so that
    the pooled last token is the same in every query. What a tokenizer reads as control tokens is text here.

    Raises
    ------
    InputError
        When ``max_tokens`` leaves no room for any text.
    """

    def __init__(self, tokenizer: Any, query: QueryText, form: QueryForm) -> None:  # noqa: ANN401  transformers' own
        self._tokenizer, self._form = tokenizer, form
        pieces = check_query(query).pieces()
        self._fixed = [self._ids(text) for text in pieces[0::2]]
        self._slots = pieces[1::2]
        start = tokenizer.bos_token_id if getattr(tokenizer, "add_bos_token", False) else None
        self._fixed[0] = [*([] if start is None else [start]), *self._fixed[0]]
        self._room = form.max_tokens - sum(map(len, self._fixed)) - 2 * form.soft_tokens
        self._require(self._room)

    def encode(
        self, user_text: str, item_text: str, user_vector: Sequence[float] = (), item_vector: Sequence[float] = ()
    ) -> Query:
        """Encode one pair; the vectors are needed only where they are printed."""
        user, item = self._ids(user_text), self._ids(item_text)
        printed = {"user_vector": self._printed(user_vector), "item_vector": self._printed(item_vector)}
        room = self._room - sum(map(len, printed.values()))
        self._require(room)
        keep_user, keep_item = _shares(len(user), len(item), room)
        soft = {"user_vector": [USER_VECTOR], "item_vector": [ITEM_VECTOR]}
        filled = {"user": user[:keep_user], "item": item[:keep_item]}
        filled |= {name: ids * self._form.soft_tokens or printed[name] for name, ids in soft.items()}
        ids = list(self._fixed[0])
        for slot, text in zip(self._slots, self._fixed[1:], strict=True):
            ids += [*filled[slot], *text]
        return Query(ids, len(user) - keep_user + len(item) - keep_item)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        return ids

    def _printed(self, vector: Sequence[float]) -> list[int]:
        if self._form.soft_tokens:
            return []
        return self._ids(" " + " ".join(f"{value:.2f}" for value in vector))

    def _require(self, room: int) -> None:
        if room < _LEAST_ROOM:
            raise InputError(
                f"finetune.max_tokens {self._form.max_tokens} leaves {max(room, 0)} tokens for texts: raise it"
            )


def _shares(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how much of two lengths fits: the longer is cut first, to the other's length at most."""
    if first + second <= room:
        return first, second
    half = room // 2
    if first <= half:
        return first, room - first
    if second <= room - half:
        return room - second, second
    return half, room - half
