"""A sample of the rows that an LLM stage will ask, with their real prompts.

Prompts hold profiles that are not written yet: a profile that was written for the sample stands for itself, one of
those, drawn at random, for every other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hnlm_ray.config import Config
from hnlm_ray.evidence.prompts import judgement_prompts, judgement_task
from hnlm_ray.llm.job import LLMTask, RowPrompt
from hnlm_ray.negatives.pair_choice import pair_choice
from hnlm_ray.negatives.text import Described, pair_prompts, semantic_negative_task
from hnlm_ray.profiles.items import item_profile_task, item_prompts
from hnlm_ray.profiles.users import Known, user_profile_task, user_prompts
from hnlm_ray.training_data import (
    UserHistory,
    bucket_count,
    histories,
    item_reviews,
    rows_by_item,
    training_rows,
    user_reviews,
)
from hnlm_ray.workspace import Workspace

LLM_STAGES: Final = ("item_profiles", "user_profiles", "judgements", "semantic_negatives")
_BUCKETS: Final = 8
Text = str | None
"""What was written for a row; None: nothing, the row failed."""


@dataclass(frozen=True)
class Texts:
    """Texts of a stage by row key where they are known, and those that others are drawn from."""

    known: Mapping[int, Text]
    drawn: Sequence[Text]

    def rows(self, keys: Iterable[int], seed: int) -> dict[int, dict[str, Any]]:
        """Return rows of the stage's table, so far as prompts read them."""
        return {key: {"summary": self._of(key, seed)} for key in keys}

    def _of(self, key: int, seed: int) -> Text:
        if key in self.known or not self.drawn:
            return self.known.get(key)
        digest = hashlib.blake2b(f"{seed}|{key}".encode(), digest_size=8).digest()
        return self.drawn[int.from_bytes(digest, "big") % len(self.drawn)]


NOTHING_WRITTEN: Final = Texts({}, ())


@dataclass(frozen=True)
class Sampler:
    """Draws ``size`` rows of a stage, seeded and spread over at most eight buckets."""

    config: Config
    workspace: Workspace
    size: int

    def task(self, stage: str) -> LLMTask:
        """Return what a stage asks."""
        tasks = {
            "item_profiles": item_profile_task,
            "user_profiles": user_profile_task,
            "judgements": judgement_task,
            "semantic_negatives": semantic_negative_task,
        }
        return tasks[stage](self.config, self.workspace)

    def prompts(self, stage: str, texts: Mapping[str, Texts]) -> list[RowPrompt]:
        """Return the prompts of the sampled rows; ``texts``: those of the stages before, by stage."""
        if stage == "item_profiles":
            return self._items()
        users = self.users()
        items = rows_by_item(self.workspace, "items")
        item_texts = texts.get("item_profiles", NOTHING_WRITTEN)
        if stage == "user_profiles":
            profiles = item_texts.rows(_items_of(users), self.config.seed)
            return user_prompts(users, Known(items, profiles, self._reviews(users)), self.config.profiles)
        tastes = texts.get("user_profiles", NOTHING_WRITTEN).rows((one.user for one in users), self.config.seed)
        if stage == "judgements":
            drawn = self._candidates(users, len(items))
            profiles = item_texts.rows(_items_of(users).union(*drawn.values()), self.config.seed)
            return judgement_prompts(users, drawn, Described(items, profiles, tastes), self.config.evidence)
        profiles, negatives = item_texts.rows(_items_of(users), self.config.seed), self.config.negatives
        choose = pair_choice(self.workspace, negatives.choose, self.config.seed)
        return self._some(pair_prompts(users, Described(items, profiles, tastes), negatives, choose))

    def _candidates(self, users: Sequence[UserHistory], items: int) -> dict[int, list[int]]:
        """Draw items as long as no candidates are found yet: to be read, they are as good."""
        most, draw = min(items, self.config.evidence.candidates), np.random.default_rng(self.config.seed)
        return {one.user: draw.choice(items, most, replace=False).tolist() for one in users}

    def users(self) -> list[UserHistory]:
        """Return the sampled users with their training items."""
        found: list[UserHistory] = []
        for bucket, wanted in self._shares(bucket_count(self.workspace)):
            found += self._drawn(histories(training_rows(self.workspace, bucket)), wanted, bucket)
        return found

    def _items(self) -> list[RowPrompt]:
        profiles, store = self.config.profiles, self.workspace.table("items")
        most = profiles.item_reviews if profiles.review_chars else 0
        prompts: list[RowPrompt] = []
        for bucket, wanted in self._shares(len(store.paths())):
            table = store.read_file(bucket)
            rows = table.take(self._drawn(range(table.num_rows), wanted, bucket)).to_pylist()
            if rows:
                said = item_reviews(self.workspace, rows[0]["item"], rows[-1]["item"], most)
                prompts += item_prompts(rows, said, profiles)
        return prompts

    def _reviews(self, users: Sequence[UserHistory]) -> dict[tuple[int, int], str]:
        if not self.config.profiles.review_chars:
            return {}
        wanted, found = {one.user for one in users}, dict[tuple[int, int], str]()
        for bucket, _ in self._shares(bucket_count(self.workspace)):
            said = user_reviews(self.workspace, bucket)
            found |= {pair: text for pair, text in said.items() if pair[0] in wanted}
        return found

    def _shares(self, buckets: int) -> list[tuple[int, int]]:
        """Return the buckets to look into, and how many rows to take of each."""
        draw = np.random.default_rng([self.config.seed, buckets])
        chosen = sorted(draw.permutation(buckets)[: min(buckets, _BUCKETS)].tolist())
        return [(bucket, -(-self.size // len(chosen))) for bucket in chosen]

    def _drawn(self, rows: Sequence[Any], wanted: int, bucket: int) -> list[Any]:
        draw = np.random.default_rng([self.config.seed, bucket])
        return [rows[index] for index in np.sort(draw.permutation(len(rows))[:wanted])]

    def _some(self, prompts: list[RowPrompt]) -> list[RowPrompt]:
        return self._drawn(prompts, self.size, 0)


def _items_of(users: Iterable[UserHistory]) -> set[int]:
    return {item for history in users for item in history.items}
