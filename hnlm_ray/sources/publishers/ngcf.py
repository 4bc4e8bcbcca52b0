"""NGCF / LightGCN split files: ``user item item ...`` a line, one file to train and one to test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Final

import pyarrow as pa

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import FileFormat, SplitFilesSource
from hnlm_ray.sources import table
from hnlm_ray.sources.readers.files import RawFile, file_in, find_files
from hnlm_ray.sources.readers.rejects import FileRejects, Rejects
from hnlm_ray.sources.readers.streams import Block, line_blocks, open_utf8
from hnlm_ray.workspace.tables import TABLES

LINE_LIMIT = 16 * 2**20  # one line is a user's whole history
_WHOLE_NUMBERS: Final = re.compile(r"[0-9]+(?:[ \t]+[0-9]+)*")


def source_files(source: SplitFilesSource) -> list[RawFile]:
    """Find all files that the source reads."""
    paths = [_path(source, split) for split in ("train", "test")]
    paths += [options.path for options in ([source.items] if source.items else []) + [*source.more_items]]
    return [file for path in paths for file in find_files(path)]


def read_interactions(source: SplitFilesSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield the pairs of train.txt, then of test.txt; a user without items is legal and gives none."""
    for split in ("train", "test"):
        file = find_files(_path(source, split))[0]
        account = rejects.file(file.name, source.max_bad_share)
        with open_utf8(file, FileFormat(path=file.name, compression="none")) as stream:
            for block in line_blocks(stream, account, LINE_LIMIT):
                pairs = _pairs(block, split, account)
                account.check_early()
                if pairs.num_rows:
                    yield pairs
        if not account.lines:
            raise SourceError(f"{file.name} is empty; a split needs both train.txt and test.txt")
        account.finish()


def read_items(source: SplitFilesSource, rejects: Rejects) -> Iterator[pa.Table]:
    """Yield the items of the configured file, by the ids of the split."""
    return table.item_tables(source.items, source, rejects, source.more_items) if source.items else iter(())


def _path(source: SplitFilesSource, split: str) -> str:
    return file_in(source.path, f"{split}.txt")


def _pairs(block: Block, split: str, rejects: FileRejects) -> pa.Table:
    users: list[str] = []
    histories: list[list[str]] = []
    for number, line in enumerate(block.text.split("\n"), start=block.first):
        text = line.strip()
        if not text:
            continue
        rejects.read(1)
        if not _WHOLE_NUMBERS.fullmatch(text):
            rejects.add(number, "line is not whole numbers with blanks between", text)
            continue
        user, *items = text.split()
        users.append(user)
        histories.append(items)
    return _table(users, histories, split)


def _table(users: list[str], histories: list[list[str]], split: str) -> pa.Table:
    lengths = map(len, histories)
    repeated = list(chain.from_iterable(repeat(user, count) for user, count in zip(users, lengths, strict=True)))
    items = list(chain.from_iterable(histories))
    rows = len(items)
    nothing = [pa.nulls(rows, pa.float32()), pa.nulls(rows, pa.int64())]
    columns = [repeated, items, *nothing, [split] * rows, pa.nulls(rows, pa.string())]
    return pa.table(columns, schema=TABLES["raw_interactions"])
