"""The parts of ``raw_interactions`` as tasks read them."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from hnlm_ray.prepare.duplicates import REVIEW
from hnlm_ray.workspace import TableStore
from hnlm_ray.workspace.tables import TABLES

_IDS = ["user_id", "item_id"]


@dataclass(frozen=True)
class RawPart:
    """One Parquet file of the table, and the columns to read."""

    filesystem: fs.FileSystem
    path: str
    columns: tuple[str, ...]

    def read(self) -> pa.Table:
        """Read it; ids stay as the file's dictionary has them, so that no text is made of them for each row."""
        with pq.ParquetFile(self.path, filesystem=self.filesystem, read_dictionary=_IDS) as file:
            return file.read(list(self.columns), use_threads=False)


def raw_parts(raw: TableStore) -> list[RawPart]:
    """Return the published parts; reviews are read only where some row has one, as the files' statistics tell."""
    paths = raw.paths()
    told = any(_has_reviews(path, raw) for path in paths)
    columns = tuple(name for name in TABLES["raw_interactions"].names if told or name != REVIEW)
    return [RawPart(raw.filesystem, path, columns) for path in paths]


def _has_reviews(path: str, raw: TableStore) -> bool:
    metadata = pq.read_metadata(path, filesystem=raw.filesystem)
    column = metadata.schema.names.index(REVIEW)
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    statistics = [group.column(column).statistics for group in groups]
    return any(s is None or s.null_count < g.num_rows for s, g in zip(statistics, groups, strict=True))
