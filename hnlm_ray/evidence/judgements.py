"""The judgements of a workspace as arrays, and what they cost."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.workspace import Manifest, Workspace

Indices = NDArray[np.int32]
Verdicts = NDArray[np.float32]


def load_judgements(workspace: Workspace) -> tuple[Indices, Indices, Verdicts]:
    """Return users int32[n], items int32[n] and verdicts float32[n]: 1 wanted, 0 unsure, -1 not wanted.

    Raises
    ------
    WorkspaceError
        When there are no judgements.
    """
    _published(workspace)
    return judged_pairs(workspace.table("judgements").read(["user", "candidates", "verdicts"]))


def judged_pairs(rows: pa.Table) -> tuple[Indices, Indices, Verdicts]:
    """Return the candidates that have a verdict; a row may have verdicts on its first candidates alone."""
    usable = rows.filter(pc.is_valid(rows["verdicts"])).combine_chunks()
    listed, given = (pc.list_value_length(usable[name]).to_numpy() for name in ("candidates", "verdicts"))
    place = np.arange(int(given.sum())) - np.repeat(np.cumsum(given) - given, given)
    starts = np.cumsum(listed) - listed
    items = pc.list_flatten(usable["candidates"]).to_numpy()[np.repeat(starts, given) + place]
    users = np.repeat(usable["user"].to_numpy(), given)
    verdicts = pc.list_flatten(usable["verdicts"])
    there = pc.is_valid(verdicts).to_numpy()
    return users[there], items[there], pc.fill_null(verdicts, 0).to_numpy()[there]


def _published(workspace: Workspace) -> Manifest:
    manifest = workspace.table("judgements").manifest()
    if manifest is None:
        raise WorkspaceError(
            f"there are no judgements in {workspace.uri}: run `hnlm stage judgements` with evidence.judge=true"
        )
    return manifest
