"""Any CSV, TSV, JSON-lines or Parquet file through a column mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pyarrow as pa

from hnlm_ray.config import FileFormat, InteractionFile, ItemFile, TableSource
from hnlm_ray.errors import SourceError
from hnlm_ray.sources.delimited import delimited_records
from hnlm_ray.sources.files import RawFile, find_files
from hnlm_ray.sources.interaction_rows import InteractionRows
from hnlm_ray.sources.item_rows import ItemRows
from hnlm_ray.sources.json_lines import json_records
from hnlm_ray.sources.parquet import parquet_records
from hnlm_ray.sources.records import Records
from hnlm_ray.sources.rejects import FileRejects, Rejects
from hnlm_ray.sources.streams import open_utf8

_KINDS: Final = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_SEPARATORS: Final = {"csv": ",", "tsv": "\t"}


def source_files(source: TableSource) -> list[RawFile]:
    """Find all files that the source reads."""
    options = [source.interactions, *([source.items] if source.items else [])]
    return [file for option in options for file in find_files(option.path)]


def read_interactions(source: TableSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield interactions; schema ``TABLES["raw_interactions"]``."""
    return interaction_tables(source.interactions, source.max_bad_share, rejects)


def read_items(source: TableSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield items, each id once; schema ``TABLES["raw_items"]``."""
    return item_tables(source.items, source.max_bad_share, rejects) if source.items else iter(())


def interaction_tables(options: InteractionFile, max_bad_share: float, rejects: Rejects) -> Iterator[pa.Table]:
    """Read the interactions of one file or glob."""
    for file in find_files(options.path):
        rows = InteractionRows(options)
        yield from _tables(file, options, rows.columns, rows.table, rejects.file(file.name, max_bad_share))


def item_tables(options: ItemFile, max_bad_share: float, rejects: Rejects) -> Iterator[pa.Table]:
    """Read the items of one file or glob; the first row of an item wins."""
    rows = ItemRows(options.columns)
    for file in find_files(options.path):
        yield from _tables(file, options, rows.columns, rows.table, rejects.file(file.name, max_bad_share))


def _tables(
    file: RawFile,
    options: FileFormat,
    wanted: Sequence[str],
    convert: Callable[[Records, FileRejects], pa.Table],
    rejects: FileRejects,
) -> Iterator[pa.Table]:
    for records in _records(file, options, wanted, rejects):
        table = convert(records, rejects)
        rejects.check_early()
        if table.num_rows:
            yield table
    rejects.finish()


def _records(file: RawFile, options: FileFormat, wanted: Sequence[str], rejects: FileRejects) -> Iterator[Records]:
    kind = kind_of(file.path, options)
    if kind == "parquet":
        yield from parquet_records(file, wanted)
        return
    with open_utf8(file, options) as stream:
        if kind == "jsonl":
            yield from json_records(stream, options, wanted, rejects)
        else:
            yield from delimited_records(stream, options, options.separator or _SEPARATORS[kind], wanted, rejects)


def kind_of(path: str, options: FileFormat) -> str:
    """Name a file's format: the configured one, or by the ending before that of its compression."""
    if options.format != "auto":
        return options.format
    name = (options.member or path).lower()
    for ending in (".gz", ".gzip", ".bz2", ".xz", ".zip"):
        name = name.removesuffix(ending)
    kind = next((kind for ending, kind in _KINDS.items() if name.endswith(ending)), None)
    if kind is None and options.separator is None and not name.endswith((".txt", ".dat")):
        endings = ", ".join(_KINDS)
        raise SourceError(
            f"can't tell the format of {path} by its name (known: {endings}); set format, "
            "or a zip's member, beside the path"
        )
    return kind or "csv"
