"""Stages that make data: from a source's files to positives with an index and a split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hnlm_ray.config import Config
from hnlm_ray.pipeline.declaring import later, section
from hnlm_ray.workspace.stage import Stage


def _ingest(config: Config) -> Mapping[str, object]:
    """Return the content of the files, and how they are read."""
    from hnlm_ray.sources.ingest import source_identity

    return source_identity(config)


_INGEST = Stage(
    name="ingest",
    purpose="reads the source's files",
    inputs=(),
    outputs=("raw_interactions", "raw_items", "rejected_lines"),
    depends_on=_ingest,
    run=later("hnlm_ray.sources.ingest:ingest"),
    version=2,
)


def _prepare(config: Config) -> Mapping[str, object]:
    """Return what counts as a positive, and the split."""
    prepare = section(config, "prepare")["prepare"]
    # Settings that are newer than workspaces that may be there: their defaults leave the identity as it was.
    prepare["split"] = _without(prepare["split"], {"train_share": 1.0, "validation_from": None, "test_from": None})
    return {"prepare": _without(prepare, {"repeats": "once"}), "seed": config.seed}


def _without(values: Mapping[str, object], defaults: Mapping[str, object]) -> dict[str, object]:
    """Leave out the settings that have the default given here."""
    return {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}


_PREPARE = Stage(
    name="prepare",
    purpose="filters, k-core, index and split, on Ray",
    inputs=("raw_interactions", "raw_items"),
    outputs=("interactions", "users", "items", "reviews"),
    depends_on=_prepare,
    run=later("hnlm_ray.prepare.stage:prepare_tables"),
    version=2,
)

DATA: Final = (_INGEST, _PREPARE)
