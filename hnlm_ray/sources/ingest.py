"""Stage: raw files -> raw_interactions, raw_items, rejected_lines; a thread of its own reads ahead."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pyarrow as pa

from hnlm_ray.base.errors import SourceError
from hnlm_ray.base.hashing import fingerprint_files
from hnlm_ray.config import Config, TableSource
from hnlm_ray.config.sources import AnySource
from hnlm_ray.sources import Rejects, read_interactions, read_items, source_files
from hnlm_ray.workspace import Rows
from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.tables import TABLES

_LOOK_EVERY_S = 0.1

T = TypeVar("T")


def read_ahead(items: Iterator[T], most: int = 4) -> Iterator[T]:
    """Yield what an iterator yields; it goes on meanwhile, until ``most`` items wait.

    Reading, decompressing and converting let go of Python's lock for most of their time, and so does writing: the two
    then take two cores. What the iterator raises is raised here, after the items before it. When the caller stops
    early, so does the thread.
    """
    ahead: queue.Queue[T] = queue.Queue(most)
    over = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
        working = pool.submit(_work, items, ahead, over)
        try:
            while not (working.done() and ahead.empty()):
                try:
                    yield ahead.get(timeout=_LOOK_EVERY_S)
                except queue.Empty:
                    continue
            working.result()
        finally:
            over.set()


def _work(items: Iterator[T], ahead: queue.Queue[T], over: threading.Event) -> None:
    for item in items:
        while not over.is_set():
            try:
                ahead.put(item, timeout=_LOOK_EVERY_S)
            except queue.Full:
                continue
            break
        else:
            return


_ROWS_PER_PART = 1 << 20
_PATHS = {"path", "validation_path", "test_path", "reviews", "metadata"}
_LATER: dict[str, object] = {
    "skip_lines": 0,
    "comment": None,
    "missing": [],
    "event": None,
    "quantity": None,
    "rating_range": None,
    "decimal": ".",
    "time_range": None,
    "unreadable": "reject",
    "events": [],
    "fold_ids": [],
}
"""Settings that are newer than workspaces that may be there, with their defaults: these leave an identity as it was."""


def ingest(run: StageRun) -> Outcome:
    """Read the source's files; unusable lines are recorded with their place and reason."""
    source, rejects = run.config.source, Rejects()
    run.progress.start("ingest", 0)
    interactions = _write_parts(run, "raw_interactions", read_interactions(source, rejects))
    items = _write_parts(run, "raw_items", read_items(source, rejects))
    run.output("rejected_lines").write_part(run.fingerprint, "part-00000", rejects.table())
    run.progress.finish()
    if not interactions:
        raise SourceError(
            f"the source has no interactions ({rejects.lines} lines read): check source.* in the configuration"
        )
    reasons = {f"rejected: {reason}": count for reason, count in rejects.by_reason.most_common()}
    counts = {"lines": rejects.lines, "interactions": interactions, "items": items, **reasons}
    return Outcome(
        rows=Rows(ok=interactions, failed=rejects.bad), failed_by_reason=dict(rejects.by_reason), counts=counts
    )


def _write_parts(run: StageRun, table: str, batches: Iterator[pa.Table]) -> int:
    """Write batches as parts of about a million rows: the same parts however the batches fall."""
    store, held, written, total = run.output(table), TABLES[table].empty_table(), 0, 0
    for batch in read_ahead(batches):
        held = pa.concat_tables([held, batch])
        total += batch.num_rows
        run.progress.advance(batch.num_rows)
        while held.num_rows >= _ROWS_PER_PART:
            store.write_part(run.fingerprint, f"part-{written:05}", held.slice(0, _ROWS_PER_PART))
            held, written = held.slice(_ROWS_PER_PART), written + 1
    if held.num_rows or not written:
        store.write_part(run.fingerprint, f"part-{written:05}", held)
    return total


def source_identity(config: Config) -> dict[str, object]:
    """Return what ingest depends on: the source's settings and the content of its files."""
    settings = _as_before(config.source.model_dump(mode="json", exclude={"max_bad_share"}))
    files = [(file.filesystem, file.path) for file in source_files(config.source)]
    return {"source": settings, "files": fingerprint_files(files), **_split_content(config.source)}


def _split_content(source: AnySource) -> dict[str, object]:
    """Return which of the files are of which split, as their numbers in order; nothing where they are of none."""
    if not isinstance(source, TableSource) or source.interactions.test_path is None:
        return {}
    from hnlm_ray.sources.readers.files import find_files
    from hnlm_ray.sources.table import split_paths

    paths = split_paths(source.interactions)
    return {"split_files": {str(split): len(find_files(path)) for split, path in paths.items()}}


def _as_before(tree: object) -> object:
    """Leave out where the files lie, and the later settings that have their default."""
    if isinstance(tree, dict):
        kept = {key: value for key, value in tree.items() if key not in _PATHS and not _is_later(key, value)}
        return {key: _as_before(value) for key, value in kept.items()}
    return [_as_before(part) for part in tree] if isinstance(tree, list) else tree


def _is_later(key: str, value: object) -> bool:
    return key in _LATER and type(value) is type(_LATER[key]) and value == _LATER[key]
