"""``hnlm export negatives``: the pool as a file for a training loop of one's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
from rich.console import Console

from hnlm_ray.commands.narration import say
from hnlm_ray.commands.output import Output, open_console
from hnlm_ray.commands.shown_tables import ShownTables
from hnlm_ray.config import Config
from hnlm_ray.errors import InputError, WorkspaceError
from hnlm_ray.export.files import Format, Target, write_rows
from hnlm_ray.export.negatives import SCHEMA, count_sources, pool_rows
from hnlm_ray.pipeline import what_differs
from hnlm_ray.redaction import redacted
from hnlm_ray.sources.files import file_in
from hnlm_ray.workspace import Workspace

_FOLDER, _POOL = "exports", "negative_pool"


def export_negatives(
    config: Config, workspace: Workspace, output: Output, *, kind: Format | None, out: str | None, force: bool
) -> None:
    """Write the pool's negatives and say how many, by source; a note where it is another configuration's.

    Raises
    ------
    WorkspaceError
        There is no pool, or it was made from other data than is there now.
    InputError
        The file exists (without ``force``), or can't be written.
    """
    _check_pool(ShownTables.open(workspace))
    fresh, reason = _freshness(config, workspace)
    chosen = kind or ("csv" if (out or "").endswith(".csv") else "parquet")
    target = _default_target(workspace, chosen) if out is None else Target.named(out)
    target.check(force=force)
    counts: Counter[str] = Counter()
    rows = write_rows(target, chosen, SCHEMA, _counted(pool_rows(workspace), counts))
    answer = {
        "file": redacted(target.shown),
        "format": chosen,
        "rows": rows,
        "sources": dict(sorted(counts.items())),
        "fresh": fresh,
        "reason": reason,
    }
    output.emit(answer, lambda _: _show(open_console(stderr=True), answer))


def _check_pool(tables: ShownTables) -> None:
    uri = redacted(tables.workspace.uri)
    if tables.published.state(_POOL) == "absent":
        raise WorkspaceError(f"there is no negative pool in {uri} yet: run `hnlm run` with the same options first")
    if newer := tables.published.made_anew(_POOL):
        raise WorkspaceError(
            f"the negative pool in {uri} was made from other data than is there now ({', '.join(newer)}): "
            "run `hnlm run` with the same options first"
        )


def _freshness(config: Config, workspace: Workspace) -> tuple[bool, str | None]:
    """Tell whether the pool is the one that the configuration asks for, and what differs."""
    try:
        reason = what_differs(config, workspace, _POOL)
    except InputError as error:  # a pool outlives the source's files and the models
        reason = f"can't be told: {error}"
    if reason is None:
        return True, None
    told = redacted(reason)
    say(open_console(stderr=True), f"note: this pool is not of the configuration given ({told}): `hnlm run` makes that")
    return False, told


def _default_target(workspace: Workspace, kind: Format) -> Target:
    name = f"{_FOLDER}/negatives.{kind}"
    try:
        workspace.filesystem.create_dir(f"{workspace.root}/{_FOLDER}", recursive=True)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{workspace.uri} can't be written ({error}): choose another file with --out") from error
    return Target(workspace.filesystem, f"{workspace.root}/{name}", file_in(workspace.uri, name))


def _counted(parts: Iterable[pa.Table], counts: Counter[str]) -> Iterator[pa.Table]:
    for part in parts:
        counts.update(count_sources(part))
        yield part


def _show(console: Console, answer: dict[str, Any]) -> None:
    say(console, f"{answer['rows']:,} rows in {answer['file']}")
    for source, count in answer["sources"].items():
        say(console, f"  {source:<20} {count:,}")
