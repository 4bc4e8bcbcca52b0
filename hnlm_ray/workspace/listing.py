"""What a folder holds, while other processes write there."""

from __future__ import annotations

from pyarrow import fs as pafs


def listed(filesystem: pafs.FileSystem, folder: str) -> list[pafs.FileInfo]:
    """Return what is in a folder; nothing where there is no folder.

    Arrow opens a folder, and only where that fails it looks whether there is one: a folder that another process makes
    in between is to it one that is there and can't be listed. Then it is listed once more.
    """
    selector = pafs.FileSelector(folder, allow_not_found=True)
    try:
        found: list[pafs.FileInfo] = filesystem.get_file_info(selector)
    except FileNotFoundError:
        found = filesystem.get_file_info(selector)
    return found
