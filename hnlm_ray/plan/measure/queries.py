"""A sample of the queries that the fine-tuned model reads, with texts that the LLM may write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from hnlm_ray.finetune.model import query_encoder
from hnlm_ray.finetune.query import Query
from hnlm_ray.plan.measure.sampling import NOTHING_WRITTEN, Sampler, Texts
from hnlm_ray.profiles.texts import item_text, user_text
from hnlm_ray.workspace.training_data import rows_by_item

_ITEMS_OF_A_USER: Final = 2


def sample_queries(sampler: Sampler, texts: Mapping[str, Texts]) -> list[Query]:
    """Return queries of the sampled users with two of their items; vectors are drawn, for their length alone counts."""
    config, seed = sampler.config, sampler.config.seed
    encoder = query_encoder(config)
    of_items, of_users = (texts.get(name, NOTHING_WRITTEN) for name in ("item_profiles", "user_profiles"))
    items = rows_by_item(sampler.workspace, "items")
    draw = np.random.default_rng(seed)
    queries = []
    for history in sampler.users():
        tastes = of_users.rows([history.user], seed)
        for item in history.items[:_ITEMS_OF_A_USER]:
            profile = of_items.rows([item], seed)[item]
            vectors = draw.normal(size=(2, config.teacher.cf.dim)).tolist()
            told = user_text(tastes[history.user], config.records.user_chars)
            shown = item_text(items[item], profile, config.records.item_chars)
            queries.append(encoder.encode(told, shown, *vectors))
    return queries


def encoder_texts(sampler: Sampler) -> list[str]:
    """Return titles and profiles of sampled items, as the encoder will read them."""
    items = rows_by_item(sampler.workspace, "items")
    chosen = np.random.default_rng(sampler.config.seed).permutation(len(items))[: sampler.size]
    return [item_text(items[int(index)], None, 1000) for index in chosen]
