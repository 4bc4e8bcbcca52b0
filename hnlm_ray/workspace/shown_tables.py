"""The tables that ``hnlm show`` reads: only those that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.base.text import first_line
from hnlm_ray.workspace import PublishedTables, Workspace

Row = dict[str, Any]
_DATA = ("users", "items", "interactions")


@dataclass(frozen=True)
class ShownTables:
    """A workspace's tables as they were published at one moment."""

    workspace: Workspace
    published: PublishedTables

    @classmethod
    def open(cls, workspace: Workspace) -> ShownTables:
        """Look at what is published, once.

        Raises
        ------
        WorkspaceError
            When users, items and interactions are not there, or were made from other data than is there now.
        """
        published = PublishedTables.look(workspace)
        states = {published.state(table) for table in _DATA}
        if "absent" in states:
            raise WorkspaceError(f"nothing is prepared in {workspace.uri} yet: run `hnlm run` with the same options")
        if "outdated" in states:
            raise WorkspaceError(
                f"the users and items in {workspace.uri} were made from other data than is there now: "
                "run `hnlm run` with the same options"
            )
        return cls(workspace, published)

    def readable(self, table: str) -> bool:
        """Tell whether a table is there, and made from the data that is there now."""
        return self.published.state(table) == "there"

    def outdated(self, tables: Sequence[str]) -> list[str]:
        """Name those of the tables that were made from other data."""
        return [table for table in tables if self.published.state(table) == "outdated"]

    def read(self, table: str, columns: list[str]) -> pa.Table:
        """Read a whole table."""
        return self.workspace.table(table).read(columns)

    def rows_where(self, table: str, **values: int) -> list[Row]:
        """Return a table's rows with these values, reading no others; none where it is not readable."""
        store = self.workspace.table(table)
        if not self.readable(table) or not store.paths():
            return []
        condition = pc.scalar(True)  # noqa: FBT003  pyarrow's name for "all rows"
        for column, value in values.items():
            condition = condition & (pc.field(column) == value)
        try:
            found = pads.dataset(store.paths(), schema=store.schema, format="parquet", filesystem=store.filesystem)
            rows: list[Row] = found.to_table(filter=condition).to_pylist()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise WorkspaceError(
                f"table '{table}' in {store.folder} can't be read ({first_line(error)}): "
                "if no run is replacing it, remove that folder, then run `hnlm run`"
            ) from error
        return rows
