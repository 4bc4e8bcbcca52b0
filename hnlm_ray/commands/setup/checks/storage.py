"""Where tables, models and Ray's temporary files go."""

from __future__ import annotations

import os
import shutil
import tempfile

from pyarrow import fs as pafs

from hnlm_ray.base.errors import HnlmError
from hnlm_ray.base.hashing import cache_folder
from hnlm_ray.base.text import first_line
from hnlm_ray.commands.setup.checks.check import GIB, Check, at_least
from hnlm_ray.config import Config
from hnlm_ray.workspace import Workspace


def storage_checks(config: Config | None) -> list[Check]:
    """Check free space, and that the workspace can be written."""
    checks = [
        _space("disk cache", str(cache_folder()), "free some space, or set HNLM_CACHE to a larger disk"),
        _space("disk tmp", tempfile.gettempdir(), "free some space, or set RAY_TMPDIR and TMPDIR to a larger disk"),
    ]
    return checks if config is None else [*_workspace_checks(config.workspace), *checks]


def _workspace_checks(uri: str) -> list[Check]:
    try:
        workspace = Workspace.open(uri)
        existed = _exists(workspace)
        workspace.create()
    except (HnlmError, OSError) as error:
        return [Check("workspace", "fail", first_line(error), "choose another with --workspace")]
    if not existed:
        workspace.filesystem.delete_dir(workspace.root)
    checks = [Check("workspace", "ok", f"{uri} can be written")]
    if workspace.local_path is not None:
        checks.append(_space("disk workspace", workspace.local_path, "free some space, or choose another --workspace"))
    return checks


def _exists(workspace: Workspace) -> bool:
    return bool(workspace.filesystem.get_file_info(workspace.root).type != pafs.FileType.NotFound)


def _space(name: str, folder: str, remedy: str) -> Check:
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder) or "/"
    return at_least(name, shutil.disk_usage(folder).free / GIB, warn_below=5, fail_below=1, remedy=remedy)
