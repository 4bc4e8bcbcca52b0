"""What every export reads: the source's ids, and the files of a published table one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.base.text import first_line
from hnlm_ray.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Ids:
    """The source's ids by dense index, string[users] and string[items]."""

    users: pa.Array
    items: pa.Array

    @classmethod
    def read(cls, workspace: Workspace) -> Ids:
        """Read both vocabularies."""
        return cls(_ids(workspace, "users", "user"), _ids(workspace, "items", "item"))


def _ids(workspace: Workspace, table: str, key: str) -> pa.Array:
    rows = workspace.table(table).read([key, f"{key}_id"]).sort_by(key)
    if rows[key].to_pylist() != list(range(rows.num_rows)):
        raise WorkspaceError(f"table '{table}' in {workspace.uri} is damaged (indices have gaps): run stage prepare")
    return pa.concat_arrays([pa.array([], pa.string()), *rows[f"{key}_id"].chunks])


def read_exported(workspace: Workspace, table: str, columns: list[str]) -> Iterator[pa.Table]:
    """Yield the files of a published table.

    Raises
    ------
    WorkspaceError
        One can't be read, or a run replaces the table meanwhile.
    """
    store = workspace.table(table)
    for file in store.published().files:
        try:
            rows = store.read_parts([file], columns)
        except (pa.ArrowException, OSError) as error:
            raise WorkspaceError(
                f"{file.path} of table '{table}' can't be read ({first_line(error)}): "
                "if a run is replacing it, export after it, else run `hnlm run`"
            ) from error
        yield rows
