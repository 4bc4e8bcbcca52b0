"""A sample of the rows that an LLM stage will ask, with their real prompts.

Prompts hold profiles that are not written yet: a profile that was written for the sample stands for itself, one of
those, drawn at random, for every other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hnlm_ray.config import Config
from hnlm_ray.evidence.prompts import judgement_prompts
from hnlm_ray.llm.rows.job import LLMTask, RowPrompt
from hnlm_ray.negatives.pair_choice import pair_choice
from hnlm_ray.negatives.text import Described, pair_prompts
from hnlm_ray.profiles.items import item_prompts
from hnlm_ray.profiles.users import Known, user_prompts
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.training_data import (
    UserHistory,
    bucket_count,
    histories,
    item_reviews,
    rows_by_item,
    training_rows,
    user_reviews,
)

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

    def users(self) -> list[UserHistory]:
        """Return the sampled users with their training items."""
        found: list[UserHistory] = []
        for bucket, wanted in self._shares(bucket_count(self.workspace)):
            found += self._drawn(histories(training_rows(self.workspace, bucket)), wanted, bucket)
        return found

    def items(self) -> list[RowPrompt]:
        """Return the prompts of the sampled items."""
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

    def reviews(self, users: Sequence[UserHistory]) -> dict[tuple[int, int], str]:
        """Return what these users wrote of their training items, by user and item, so far as prompts read it."""
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

    def some(self, prompts: list[RowPrompt]) -> list[RowPrompt]:
        """Return as many of the prompts as the sample has rows."""
        return self._drawn(prompts, self.size, 0)


@dataclass(frozen=True)
class Asking:
    """What a stage asks an LLM, and how its prompts are sampled.

    ``prompts`` gets the texts of the stages before, by stage.
    """

    task: Callable[[Config, Workspace], LLMTask]
    prompts: Callable[[Sampler, Mapping[str, Texts]], list[RowPrompt]]


def item_profile_sample(sampler: Sampler, _texts: Mapping[str, Texts]) -> list[RowPrompt]:
    """Return prompts that ask for items' profiles."""
    return sampler.items()


def user_profile_sample(sampler: Sampler, texts: Mapping[str, Texts]) -> list[RowPrompt]:
    """Return prompts that ask for users' profiles."""
    users, items = sampler.users(), rows_by_item(sampler.workspace, "items")
    profiles = _item_texts(texts).rows(_items_of(users), sampler.config.seed)
    return user_prompts(users, Known(items, profiles, sampler.reviews(users)), sampler.config.profiles)


def judgement_sample(sampler: Sampler, texts: Mapping[str, Texts]) -> list[RowPrompt]:
    """Return prompts that ask for judgements, of drawn items: as long as no candidates are found, they are as good."""
    config, users, items = sampler.config, sampler.users(), rows_by_item(sampler.workspace, "items")
    most, draw = min(len(items), config.evidence.candidates), np.random.default_rng(config.seed)
    drawn = {one.user: draw.choice(len(items), most, replace=False).tolist() for one in users}
    profiles = _item_texts(texts).rows(_items_of(users).union(*drawn.values()), config.seed)
    return judgement_prompts(users, drawn, Described(items, profiles, _tastes(texts, users, config)), config.evidence)


def negative_sample(sampler: Sampler, texts: Mapping[str, Texts]) -> list[RowPrompt]:
    """Return prompts that ask for hard negatives."""
    config, users, items = sampler.config, sampler.users(), rows_by_item(sampler.workspace, "items")
    profiles = _item_texts(texts).rows(_items_of(users), config.seed)
    described = Described(items, profiles, _tastes(texts, users, config))
    choose = pair_choice(sampler.workspace, config.negatives.choose, config.seed)
    return sampler.some(pair_prompts(users, described, config.negatives, choose))


def _item_texts(texts: Mapping[str, Texts]) -> Texts:
    return texts.get("item_profiles", NOTHING_WRITTEN)


def _tastes(texts: Mapping[str, Texts], users: Sequence[UserHistory], config: Config) -> dict[int, dict[str, Any]]:
    return texts.get("user_profiles", NOTHING_WRITTEN).rows((one.user for one in users), config.seed)


def _items_of(users: Iterable[UserHistory]) -> set[int]:
    return {item for history in users for item in history.items}
