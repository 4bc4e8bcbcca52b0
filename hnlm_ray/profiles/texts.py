"""What queries say of a user and of an item, the same in records and in inference; and the items' texts as vectors.

Teacher, guard, item graph and the models that read text rest on these vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import ray
from numpy.typing import NDArray

from hnlm_ray.config import Config
from hnlm_ray.llm.encoder import open_encoder
from hnlm_ray.llm.text.answers import clean
from hnlm_ray.profiles.items import item_facts
from hnlm_ray.profiles.users import liked_item
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.training_data import item_reviews, rows_by_item

Row = Mapping[str, Any]


def user_text(profile: Row | None, chars: int) -> str:
    """Return a user's profile, cut; empty where there is none."""
    return clean(str((profile or {}).get("summary") or ""))[:chars]


def item_text(item: Row, profile: Row | None, chars: int) -> str:
    """Return an item's title and profile (without one: its other facts), cut."""
    return clean(": ".join(liked_item(item, profile, chars).values()))[:chars]


ItemText = Literal["profiles", "facts"]
_CHARS = 1000  # of a profile or a fact; the encoder itself reads 128 tokens
_REVIEWS = 3


def encode_item_text(config: Config, workspace: Workspace, what: ItemText | None = None) -> NDArray[np.float32]:
    """Return float32[items, t] of what ``tune.item_text`` names, or of ``what``; zeros without any text.

    It is computed in a Ray task, so that the driver needs neither a model's memory nor its cores.
    """
    task = ray.remote(_encode).options(num_cpus=config.tune.cpus_per_trial)
    vectors: NDArray[np.float32] = ray.get(task.remote(config, workspace, what or config.tune.item_text))
    return vectors


def _encode(config: Config, workspace: Workspace, what: ItemText) -> NDArray[np.float32]:
    import torch

    torch.set_num_threads(max(1, int(config.tune.cpus_per_trial)))
    encoder = open_encoder(config.llm)
    texts = item_facts_texts(workspace) if what == "facts" else item_profile_texts(workspace)
    vectors = encoder.encode(texts)
    vectors[[not text for text in texts]] = 0
    return vectors


def item_profile_texts(workspace: Workspace) -> list[str]:
    """Return title and profile of each item, in index order, without profile the other facts; empty where unknown."""
    items, profiles = rows_by_item(workspace, "items"), rows_by_item(workspace, "item_profiles")
    return [item_text(items[item], profiles.get(item), _CHARS) for item in sorted(items)]


def item_facts_texts(workspace: Workspace) -> list[str]:
    """Return the facts of each item, in index order; without any, the longest reviews of its training users."""
    items = rows_by_item(workspace, "items")
    reviews = item_reviews(workspace, 0, len(items) - 1, _REVIEWS)

    def text(item: int) -> str:
        told = ". ".join(item_facts(items[item], _CHARS).values())
        return clean(told or " ".join(reviews.get(item, ())))[:_CHARS]

    return [text(item) for item in sorted(items)]
