"""The run itself: its stages, its configuration, the versions it was made with, two users' recommendations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import yaml

from hnlm_ray.config import Config
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.report.facts.samples import item_titles
from hnlm_ray.report.words import masked
from hnlm_ray.workspace import Manifest
from hnlm_ray.workspace.shown_tables import ShownTables

Facts = dict[str, Any]
_USERS, _SHOWN, _HISTORY = 2, 10, 8


def stage_facts(stages: Sequence[Mapping[str, Any]], tables: ShownTables) -> list[Facts]:
    """Return the stages with their purposes, and what each counted and cost when it was published."""
    manifests = tables.published.manifests
    told = [
        {**stage, **_figures(manifests[stage["outputs"][0]])} if _is_old(stage, tables) else stage for stage in stages
    ]
    return [
        {
            **stage,
            "purpose": find_stage(stage["name"]).purpose,
            "begun": stage["state"] == "fresh" or stage["rows"]["ok"] > 0 or stage["seconds"] > 0,
            "counts": _counts(stage, tables),
        }
        for stage in told
    ]


def _is_old(stage: Mapping[str, Any], tables: ShownTables) -> bool:
    """Tell whether the table that is there is of another configuration, and nothing of the new one is begun."""
    return stage["state"] == "stale" and stage["outputs"][0] in tables.published.manifests


def _figures(manifest: Manifest) -> Facts:
    return {
        "rows": manifest.rows.model_dump(),
        "failed_by_reason": manifest.failed_by_reason,
        "tokens": manifest.tokens.model_dump(by_alias=True),
        "seconds": manifest.seconds,
    }


def _counts(stage: Mapping[str, Any], tables: ShownTables) -> dict[str, Any]:
    manifest = tables.published.manifests.get(stage["outputs"][0])
    return dict(manifest.counts) if manifest is not None and stage["state"] in {"fresh", "stale"} else {}


def spent(stages: Sequence[Mapping[str, Any]], tables: ShownTables) -> list[Facts]:
    """Return what each published table cost, whatever configuration it is of, and each stage that is not done yet."""
    published = [tables.published.manifests.get(stage.outputs[0]) for stage in STAGES]
    begun = [dict(stage) for stage in stages if stage["state"] in {"partial", "running"}]
    return [*(_figures(manifest) for manifest in published if manifest is not None), *begun]


def configuration_text(config: Config) -> str:
    """Return the resolved configuration as YAML, secrets masked."""
    return yaml.safe_dump(masked(config.model_dump(mode="json")), sort_keys=False, allow_unicode=True)


def version_facts(tables: ShownTables) -> Facts:
    """Return what the newest table was made with."""
    newest = max(tables.published.manifests.values(), key=lambda manifest: manifest.created, default=None)
    if newest is None:
        return {"versions": {}, "created": None, "commit": None}
    return {"versions": newest.versions, "created": newest.created, "commit": newest.git_commit}


def is_checkable(tables: ShownTables) -> bool:
    """Tell whether the lists are of a model that did not train on held-out rows: one of those in a list is a hit."""
    lists = tables.published.manifests.get("recommendations")
    return lists is not None and lists.depends_on.get("recommend.train_on") == "train"


def recommendation_facts(tables: ShownTables, seed: int) -> list[Facts]:
    """Return the recommendations of two users, drawn by seed; empty where there are none."""
    if not (tables.readable("recommendations") and tables.readable("users")):
        return []
    users = np.unique(tables.read("recommendations", ["user"])["user"].to_numpy())
    drawn = np.random.default_rng(seed).choice(users, min(_USERS, len(users)), replace=False)
    titles, checkable = item_titles(tables), is_checkable(tables)
    return [_recommended(tables, int(user), titles, checkable=checkable) for user in drawn]


def _recommended(tables: ShownTables, user: int, titles: Mapping[int, str], *, checkable: bool) -> Facts:
    seen = tables.rows_where("interactions", user=user)
    liked = sorted(seen, key=lambda row: (-(row["timestamp"] or 0), row["item"]))
    held_out = {row["item"] for row in seen if row["split"] != "train"} if checkable else set()
    rows = sorted(tables.rows_where("recommendations", user=user), key=lambda row: int(row["rank"]))
    return {
        "user_id": tables.rows_where("users", user=user)[0]["user_id"],
        "history": [titles.get(row["item"], "") for row in liked if row["split"] == "train"][:_HISTORY],
        "items": [
            {
                "rank": row["rank"],
                "title": titles.get(row["item"], ""),
                "score": row["score"],
                "hit": row["item"] in held_out,
            }
            for row in rows[:_SHOWN]
        ],
    }
