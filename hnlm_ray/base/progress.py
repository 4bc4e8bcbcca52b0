"""Progress of a run: bars on a terminal, one line every few seconds elsewhere.

When the state of something that runs is worth writing.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichBars

from hnlm_ray.base.errors import interrupt

EVERY_S: Final = 5.0
SHARE: Final = 0.05
"""A state is written at most every so many seconds, and in so much of the time: of a run of seconds there is none."""


class SavePace:
    """Tells when the next state is due, from how long ago the last was written and how long that took."""

    def __init__(self) -> None:
        self._written, self._took = time.monotonic(), 0.0

    @property
    def due(self) -> bool:
        """Whether a state is to be written now."""
        return time.monotonic() - self._written >= max(EVERY_S, self._took / SHARE)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Measure how long a state takes to be made and written."""
        started = time.monotonic()
        yield
        self._written = time.monotonic()
        self._took = self._written - started


LINE_EVERY_S = 5.0


class Progress(Protocol):
    """Where a stage reports rows and tokens."""

    def start(self, stage: str, total: int, done: int = 0, unit: str = "rows") -> None:
        """Begin a stage of ``total`` rows, of which ``done`` were finished by an earlier run."""

    def advance(self, rows: int = 1, tokens: int = 0, statuses: Mapping[str, int] | None = None) -> None:
        """Count finished rows, the tokens read and written for them, and what became of them."""

    def note(self, text: str) -> None:
        """Say something of the running stage, beside its counts, until something else is said."""

    def finish(self) -> None:
        """End the stage."""


class _Meter:
    """Counts rows and tokens since a stage's start."""

    def __init__(self, stage: str, total: int, done: int, unit: str) -> None:
        self.stage, self.total, self.unit = stage, total, unit
        self.already, self.rows, self.tokens = done, 0, 0
        self.statuses: Counter[str] = Counter()
        self.note = ""
        self.started = time.monotonic()

    def add(self, rows: int, tokens: int, statuses: Mapping[str, int] | None) -> None:
        self.rows += rows
        self.tokens += tokens
        self.statuses.update(statuses or {})

    def rates(self) -> str:
        seconds = max(time.monotonic() - self.started, 1e-3)
        text = f"{self.rows / seconds:.1f} {self.unit}/s"
        if self.tokens:
            text += f", {self.tokens / seconds:.0f} tokens/s{self._shares()}"
        return f"{text}; {self.note}" if self.note else text

    def _shares(self) -> str:
        """Return the share of each status of the rows done so far, the largest first."""
        counted = self.statuses.total()
        return "".join(f", {count / counted:.1%} {name}" for name, count in self.statuses.most_common())

    def remaining(self) -> str:
        left = self.total - self.already - self.rows
        if not self.rows or left <= 0:
            return ""
        seconds = left * (time.monotonic() - self.started) / self.rows
        return f", {_duration(seconds)} left"

    def line(self) -> str:
        done = self.already + self.rows
        amount = f"{done}/{self.total} {self.unit} ({done / self.total:.0%})" if self.total else f"{done} {self.unit}"
        return f"{self.stage}: {amount}, {self.rates()}{self.remaining()}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class JournalProgress:
    """Passes progress on, and tells a journal how many rows there are and are done."""

    def __init__(self, shown: Progress, note: Callable[[int, int], None]) -> None:
        self._shown, self._note = shown, note
        self._total = self._done = 0

    def start(self, stage: str, total: int, done: int = 0, unit: str = "rows") -> None:
        """See :class:`Progress`."""
        self._total, self._done = total, done
        self._note(total, done)
        self._shown.start(stage, total, done, unit)

    def advance(self, rows: int = 1, tokens: int = 0, statuses: Mapping[str, int] | None = None) -> None:
        """See :class:`Progress`."""
        self._done += rows
        self._note(self._total, self._done)
        self._shown.advance(rows, tokens, statuses)

    def note(self, text: str) -> None:
        """See :class:`Progress`."""
        self._shown.note(text)

    def finish(self) -> None:
        """See :class:`Progress`."""
        self._shown.finish()


class LineProgress:
    """One plain line every few seconds, for output that is no terminal; also while an engine starts.

    A pipe that its reader has closed interrupts the main thread; leaving it then raises the BrokenPipeError.
    """

    def __init__(self, console: Console, every_s: float = LINE_EVERY_S) -> None:
        self._console, self._every_s = console, every_s
        self._meter: _Meter | None = None
        self._over = threading.Event()
        self._unread: BrokenPipeError | None = None

    def start(self, stage: str, total: int, done: int = 0, unit: str = "rows") -> None:
        """See :class:`Progress`."""
        self._meter = _Meter(stage, total, done, unit)

    def advance(self, rows: int = 1, tokens: int = 0, statuses: Mapping[str, int] | None = None) -> None:
        """See :class:`Progress`."""
        if self._meter is not None:
            self._meter.add(rows, tokens, statuses)

    def note(self, text: str) -> None:
        """See :class:`Progress`."""
        if self._meter is not None:
            self._meter.note = text

    def finish(self) -> None:
        """See :class:`Progress`."""
        self._print()
        self._meter = None

    def _print(self) -> None:
        meter = self._meter
        if meter is not None:
            self._console.print(meter.line(), markup=False, highlight=False, soft_wrap=True)

    def _keep_printing(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                self._print()
            except BrokenPipeError as error:  # nobody reads any longer: end what runs as Ctrl-C does
                self._unread = error
                interrupt()
                return

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._keep_printing, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._meter = None
        if self._unread is not None:
            raise self._unread


class BarProgress:
    """A bar a stage, for terminals."""

    def __init__(self, console: Console) -> None:
        self._bars = RichBars(
            TextColumn("{task.description:<20}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rates]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._meter: _Meter | None = None

    def start(self, stage: str, total: int, done: int = 0, unit: str = "rows") -> None:
        """See :class:`Progress`."""
        self._meter = _Meter(stage, total, done, unit)
        self._task = self._bars.add_task(stage, total=total, completed=done, rates="")

    def advance(self, rows: int = 1, tokens: int = 0, statuses: Mapping[str, int] | None = None) -> None:
        """See :class:`Progress`."""
        if self._meter is None:
            return
        self._meter.add(rows, tokens, statuses)
        self._bars.update(self._task, advance=rows, rates=self._meter.rates())

    def note(self, text: str) -> None:
        """See :class:`Progress`."""
        if self._meter is not None:
            self._meter.note = text
            self._bars.update(self._task, rates=self._meter.rates())

    def finish(self) -> None:
        """See :class:`Progress`."""
        self._meter = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


def open_progress(console: Console) -> LineProgress | BarProgress:
    """Return bars for a terminal, lines otherwise; use it as a context manager."""
    return BarProgress(console) if console.is_terminal else LineProgress(console)
