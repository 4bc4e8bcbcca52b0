"""Records of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from hnlm_ray.errors import SourceError
from hnlm_ray.sources.files import RawFile, first_line
from hnlm_ray.sources.records import Records, check_columns

BATCH_ROWS = 65_536


def parquet_records(file: RawFile, wanted: Sequence[str]) -> Iterator[Records]:
    """Yield the wanted columns with their own types; a record's 'line' is its row, from 1.

    Raises
    ------
    SourceError
        When the file is no Parquet file, is damaged, empty, or lacks a column.
    """
    try:
        with file.filesystem.open_input_file(file.path) as raw:
            yield from _records(file.name, parquet.ParquetFile(raw), wanted)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{file.name} can't be read as Parquet ({first_line(error)}); fetch it again or correct format"
        ) from error


def _records(name: str, opened: parquet.ParquetFile, wanted: Sequence[str]) -> Iterator[Records]:
    check_columns(name, wanted, opened.schema_arrow.names)
    if not opened.metadata.num_rows:
        raise SourceError(f"{name} has no rows; correct the path in the source section")
    row = 1
    for batch in opened.iter_batches(batch_size=BATCH_ROWS, columns=list(dict.fromkeys(wanted))):
        lines = np.arange(row, row + batch.num_rows, dtype=np.int64)
        yield Records(lines, {column: _decoded(batch.column(column)) for column in wanted})
        row += batch.num_rows


def _decoded(column: pa.Array) -> pa.Array:
    column.validate(full=True)  # Parquet does not check that its texts are UTF-8
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
