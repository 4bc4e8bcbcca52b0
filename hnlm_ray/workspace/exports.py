"""Exported models: files beside the tables, listed by one."""

from __future__ import annotations

from hnlm_ray.workspace.folder import Workspace


def export_is_whole(workspace: Workspace) -> bool:
    """Tell whether each file that the table ``finetuned_model`` lists is there with its size."""
    rows = workspace.table("finetuned_model").read().to_pylist()
    infos = workspace.filesystem.get_file_info([f"{workspace.root}/{row['path']}" for row in rows])
    return all(info.size == row["bytes"] for info, row in zip(infos, rows, strict=True))
