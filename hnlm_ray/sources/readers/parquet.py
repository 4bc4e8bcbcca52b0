"""Records of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from hnlm_ray.base.errors import SourceError
from hnlm_ray.base.text import first_line
from hnlm_ray.sources.readers.files import RawFile
from hnlm_ray.sources.readers.records import Records, check_columns
from hnlm_ray.sources.readers.streams import EXPANSION_FREE_BYTES, MAX_EXPANSION

BATCH_ROWS = 65_536
PART_BYTES = 64 * 2**20


def parquet_records(file: RawFile, wanted: Sequence[str]) -> Iterator[Records]:
    """Yield the wanted columns with their own types; a record's 'line' is its row, from 1.

    Raises
    ------
    SourceError
        When the file is no Parquet file, is damaged, empty, or lacks a column.
    """
    try:
        with file.filesystem.open_input_file(file.path) as raw:
            yield from _records(file.name, raw, wanted)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{file.name} can't be read as Parquet ({first_line(error)}); fetch it again or correct format"
        ) from error


def _records(name: str, raw: pa.NativeFile, wanted: Sequence[str]) -> Iterator[Records]:
    schema = parquet.read_schema(raw)
    check_columns(name, wanted, schema.names)
    # Texts come as dictionaries: one long text that a file of a few bytes repeats is then held once.
    texts = [column for column in wanted if _is_text(schema.field(column).type)]
    opened = parquet.ParquetFile(raw, read_dictionary=texts)
    if not opened.metadata.num_rows:
        raise SourceError(f"{name} has no rows; correct the path in the source section")
    _check_expansion(name, opened.metadata)
    row, given, most = 1, 0, max(EXPANSION_FREE_BYTES, MAX_EXPANSION * raw.size())
    for batch in opened.iter_batches(batch_size=BATCH_ROWS, columns=list(dict.fromkeys(wanted))):
        batch.validate(full=True)  # Parquet does not check that its texts are UTF-8
        size = sum(map(_text_bytes, batch.columns))
        given += size
        if given > most:
            raise _bomb(name)
        rows = max(1, batch.num_rows * PART_BYTES // max(PART_BYTES, size))
        for start in range(0, batch.num_rows, rows):
            part = batch.slice(start, rows)
            lines = np.arange(row + start, row + start + part.num_rows, dtype=np.int64)
            yield Records(lines, {column: _decoded(part.column(column)) for column in wanted})
        row += batch.num_rows


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _check_expansion(name: str, metadata: parquet.FileMetaData) -> None:
    """Refuse a file whose pages expand as those of a decompression bomb do; a column's own sizes are added up."""
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    columns = [group.column(place) for group in groups for place in range(group.num_columns)]
    whole, packed = (
        sum(getattr(one, f"total_{kind}_size") for one in columns) for kind in ("uncompressed", "compressed")
    )
    if whole > EXPANSION_FREE_BYTES and whole > MAX_EXPANSION * max(1, packed):
        raise _bomb(name)


def _text_bytes(values: pa.Array) -> int:
    """Return the bytes of a column of texts once its dictionary is written out; 0 for any other."""
    if not (pa.types.is_dictionary(values.type) and _is_text(values.type.value_type)):
        return 0
    return int(pc.sum(pc.binary_length(values.dictionary).cast(pa.int64()).take(values.indices)).as_py() or 0)


def _decoded(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _bomb(name: str) -> SourceError:
    return SourceError(
        f"{name} expands more than {MAX_EXPANSION}-fold, as a decompression bomb does; if it is genuine, write it as "
        "JSON lines"
    )
