"""What a stage is: a function with declared tables and the part of the configuration it depends on.

Also which failed rows of a stage are to be made again, and what the table is then called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.hashing import fingerprint_of
from hnlm_ray.base.progress import Progress
from hnlm_ray.config import Config
from hnlm_ray.workspace import ChunkedTable, Rows, TableStore, Tokens, Workspace
from hnlm_ray.workspace.tables import LOST, STATUSES, TABLES

_ALL = "failed"
_FINAL = {"ok", "none", "no_vector"}
RETRIED = tuple(status for status in STATUSES if status not in _FINAL)
"""Statuses of rows that another attempt may mend; a pair that the teacher has no vector for isn't one of them."""
RETRIED_TRAININGS = ("failed", LOST)
"""The same of CF trainings; one that diverged would do so again."""


@dataclass(frozen=True)
class Retry:
    """The rows of ``statuses`` of a published table, or of an unfinished stage's chunks, are asked again.

    ``wanted`` is how the command line names them: 'failed' or 'failed:STATUS'. ``of``: the content of the published
    table; empty for the chunks of an unfinished stage. ``among``: the statuses that 'failed' stands for.
    """

    wanted: str
    of: str = ""
    among: tuple[str, ...] = RETRIED

    @property
    def statuses(self) -> tuple[str, ...]:
        """Statuses of the rows to ask again."""
        return self.among if self.wanted == _ALL else (self.wanted.removeprefix(f"{_ALL}:"),)

    @property
    def revision(self) -> str:
        """What the published table is after this retry: the same at each call, so that one that was stopped goes on."""
        return fingerprint_of({"retry": self.wanted, "of": self.of})

    def of_table(self, content: str) -> Retry:
        """Return the retry of a published table."""
        return replace(self, of=content)


def parse_retry(text: str, among: tuple[str, ...] = RETRIED) -> Retry:
    """Read 'failed' or 'failed:STATUS', for a stage whose rows are asked again with the statuses ``among``.

    Raises
    ------
    InputError
        When it is neither; the sentence lists the statuses.
    """
    start, colon, status = text.partition(":")
    if start != _ALL or (colon and status not in among):
        raise InputError(
            f"--retry takes '{_ALL}' or '{_ALL}:STATUS', got '{text}': STATUS is one of {', '.join(among)}"
        )
    return Retry(text, among=among)


Bundle = dict[str, float]
"""Amounts of Ray resources, such as ``{"CPU": 2, "GPU": 1}``."""


@dataclass(frozen=True)
class StageRun:
    """What a stage function gets: the run's configuration, its folder, and where to report progress."""

    config: Config
    workspace: Workspace
    fingerprint: str
    """What the output is to be: the parts of its tables are written under it."""
    progress: Progress
    spent: tuple[int, int] = (0, 0)
    """Tokens that the other stages' tables took (read, written): a budget counts them all."""
    retry: Retry | None = None
    """Which rows that have an outcome are to be asked again; none: no such row."""

    def output(self, table: str) -> TableStore:
        """Return the store of an output table; write its parts under :attr:`fingerprint`."""
        return self.workspace.table(table)

    def chunked(self, table: str) -> ChunkedTable:
        """Return an output table that is made chunk by chunk, for a stage that resumes."""
        return ChunkedTable(self.output(table), chunks_of(self.fingerprint), self.fingerprint)


@dataclass(frozen=True)
class Outcome:
    """What a stage function returns: what became of its rows, and what it counted."""

    rows: Rows
    failed_by_reason: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int | float | str | None] = field(default_factory=dict)
    tokens: Tokens = field(default_factory=Tokens)


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline.

    ``depends_on`` returns the values (configuration, prompt hashes, model identity, file hashes) that
    the outputs are made from, beside the input tables: they are hashed into the stage's fingerprint,
    so what is not in it (concurrency, batch sizes) can change without redoing work.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    depends_on: Callable[[Config], Mapping[str, object]]
    run: Callable[[StageRun], Outcome]
    purpose: str
    resumes: bool = False
    """True: finished parts of an interrupted run are kept; False: the stage starts anew."""
    bundles: Callable[[Config], list[Bundle]] = lambda _: [{"CPU": 1}]
    """Ray resources, each to be had on one node, without which the stage would wait for ever."""
    check: Callable[[Config], None] = lambda _: None
    """Raises an InputError for what can be known to fail before hours of other stages have run."""
    enabled: Callable[[Config], bool] = lambda _: True
    """False: the configuration leaves the stage out, and those after it go without its tables."""
    on_request: bool = False
    """True: it runs when it is asked for by name, also where :attr:`enabled` leaves it out."""
    enabled_by: str = "finetune.enabled=true and stages=all"
    """The settings that put it back in, as a sentence names them."""
    intact: Callable[[Workspace], bool] = lambda _: True
    """Tells whether what the stage wrote beside its tables is still there."""
    tidy: Callable[[Workspace, str], None] = lambda *_: None
    """Removes, once its tables are published, what only an unfinished run of this fingerprint needs."""
    version: int = 1
    """Raised when the code changes what comes out for the same input."""
    cost: str = ""
    """Where `hnlm plan` finds what it takes, as ``module:name`` of a ``StageCost``; empty: nobody has said it."""

    @property
    def asks_llm(self) -> bool:
        """Tell whether it asks an LLM row by row, and records attempts and tokens of each."""
        return {"attempts", "tokens_in", "tokens_out"} <= set(TABLES[self.outputs[0]].names)

    @property
    def writes_texts(self) -> bool:
        """Tell whether what it asks an LLM for is text, and no vector."""
        return self.asks_llm and "vector" not in TABLES[self.outputs[0]].names

    @property
    def trains(self) -> bool:
        """Tell whether its rows are CF trainings, each made by itself."""
        return self.resumes and {"config", "status", "validation"} <= set(TABLES[self.outputs[0]].names)

    @property
    def retried(self) -> tuple[str, ...]:
        """The statuses of rows that `--retry failed` makes again; empty: its rows are not made one by one."""
        if self.trains:
            return RETRIED_TRAININGS
        return RETRIED if self.asks_llm else ()


def chunks_of(fingerprint: str) -> str:
    """Return the fingerprint under which a resuming stage keeps finished chunks until it publishes."""
    return fingerprint_of({"chunks of": fingerprint})
