"""Any CSV, TSV, JSON-lines or Parquet file through a column mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import pyarrow as pa

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import FileFormat, InteractionFile, ItemFile, MoreItemsFile, SourceBase, TableSource
from hnlm_ray.sources.readers.delimited import delimited_records
from hnlm_ray.sources.readers.files import RawFile, find_files
from hnlm_ray.sources.readers.json_lines import json_records
from hnlm_ray.sources.readers.parquet import parquet_records
from hnlm_ray.sources.readers.records import Records
from hnlm_ray.sources.readers.rejects import FileRejects, Rejects
from hnlm_ray.sources.readers.streams import open_utf8
from hnlm_ray.sources.rows.interaction_rows import InteractionRows
from hnlm_ray.sources.rows.item_rows import ItemRows
from hnlm_ray.sources.rows.more_items import Catalogue

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
    options = [*([source.items] if source.items else []), *source.more_items]
    paths = [*split_paths(source.interactions).values(), *(option.path for option in options)]
    return [file for path in paths for file in find_files(path)]


def split_paths(options: InteractionFile) -> dict[str | None, str]:
    """Return the paths of the interactions by the split that their rows are of; None: the source gives none."""
    if options.test_path is None:
        return {None: options.path}
    validation: dict[str | None, str] = {}
    if options.validation_path is not None:
        validation["validation"] = options.validation_path
    return {"train": options.path, **validation, "test": options.test_path}


def read_interactions(source: TableSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield interactions, of train first where the source is split; schema ``TABLES["raw_interactions"]``."""
    for split, path in split_paths(source.interactions).items():
        options = source.interactions.model_copy(update={"path": path})
        for table in interaction_tables(options, source, rejects):
            yield table if split is None else _of_split(table, split)


def _of_split(table: pa.Table, split: str) -> pa.Table:
    place = table.schema.get_field_index("source_split")
    return table.set_column(place, table.schema.field(place), pa.repeat(split, table.num_rows))


def read_items(source: TableSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield items, each id once; schema ``TABLES["raw_items"]``."""
    return item_tables(source.items, source, rejects, source.more_items) if source.items else iter(())


def interaction_tables(options: InteractionFile, source: SourceBase, rejects: Rejects) -> Iterator[pa.Table]:
    """Read the interactions of one file or glob."""
    for file in find_files(options.path):
        yield from interactions_of(file, options, source, rejects)


def interactions_of(
    file: RawFile, options: InteractionFile, source: SourceBase, rejects: Rejects, optional: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """Read the interactions of one file; JSON lines may lack the ``optional`` columns."""
    rows = InteractionRows(options, source.review_chars, _folds(source))
    account = rejects.file(file.name, source.max_bad_share)
    yield from converted(_records(file, options, rows.columns, account, optional), rows.table, account)


def item_tables(
    options: ItemFile, source: SourceBase, rejects: Rejects, more: Sequence[MoreItemsFile] = ()
) -> Iterator[pa.Table]:
    """Read the items of one file or glob, the first row of an item wins; then what further files add to them."""
    links = tuple(dict.fromkeys(further.link for further in more if further.link is not None))
    rows = ItemRows(options.columns, links=links, missing=options.missing, folds=_folds(source))
    tables = _item_tables(options, rows, source, rejects)
    if not more:
        yield from tables
        return
    catalogue = Catalogue(list(tables), rows.linked)
    for further in more:
        known = catalogue.named_by(further.link)
        of_further = ItemRows(further.columns, known, missing=further.missing, folds=_folds(source))
        for table in _item_tables(further, of_further, source, rejects):
            catalogue.add(table, further.link)
    yield from catalogue.filled()


def _folds(source: SourceBase) -> tuple[str, ...]:
    """Return what the ids of all files of a table lose; those of other formats stay as they are."""
    return source.fold_ids if isinstance(source, TableSource) else ()


def _item_tables(options: ItemFile, rows: ItemRows, source: SourceBase, rejects: Rejects) -> Iterator[pa.Table]:
    for file in find_files(options.path):
        account = rejects.file(file.name, source.max_bad_share)
        yield from converted(_records(file, options, rows.columns, account), rows.table, account)


def converted(
    blocks: Iterable[Records], convert: Callable[[Records, FileRejects], pa.Table], rejects: FileRejects
) -> Iterator[pa.Table]:
    """Convert a file's blocks one by one; the file is judged early, and at its end."""
    for records in blocks:
        table = convert(records, rejects)
        rejects.check_early()
        if table.num_rows:
            yield table
    rejects.finish()


def _records(
    file: RawFile, options: FileFormat, wanted: Sequence[str], rejects: FileRejects, optional: Sequence[str] = ()
) -> Iterator[Records]:
    kind = kind_of(file.path, options)
    if kind == "parquet":
        yield from parquet_records(file, wanted)
        return
    with open_utf8(file, options) as stream:
        if kind in {"jsonl", "literals"}:
            required = [name for name in wanted if name not in optional]
            yield from json_records(stream, options, required, rejects, [name for name in wanted if name in optional])
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
