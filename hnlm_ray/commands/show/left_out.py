"""Users of the source that prepare left out: their positives, and why they are not in the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from pydantic import ValidationError

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.config import PrepareConfig
from hnlm_ray.prepare.blocks import unique_positives
from hnlm_ray.prepare.duplicates import TRAINS
from hnlm_ray.workspace.shown_tables import ShownTables


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
    counted = kept.filter(kept[TRAINS].cast(pa.bool_())) if given else kept  # as the k-core counts
    count, known = counted.num_rows, len(set(counted["item_id"].to_pylist()) & set(known_items))
    what = "training positives" if given else "positives"
    if count < config.user_core:
        return f"not in the model: {count} {what} of {rows} interactions, prepare.user_core {config.user_core}"
    if config.max_users is not None:
        return (
            f"not in the model: not in the sample of prepare.max_users {config.max_users}, or too few of its items "
            f"stayed ({count} {what}, {known} of items in the model, prepare.user_core {config.user_core})"
        )
    return (
        f"not in the model: {count} {what}, but {known} of items in the model (the others are below "
        f"prepare.item_core {config.item_core}), prepare.user_core {config.user_core}"
    )
