"""Progress of a training alone, on standard error."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hnlm_ray.commands.output import open_console

if TYPE_CHECKING:
    from hnlm_ray.cf import EpochReport

LINE_EVERY_S: Final = 10.0


class EpochProgress:
    """A bar on a terminal, elsewhere a line every ten seconds: epochs, loss and the metric on validation."""

    def __init__(self, model: str, epochs: int, metric: str) -> None:
        self.console, self.epochs, self.metric = open_console(stderr=True), epochs, metric
        self.said, self.best = time.monotonic(), float("-inf")
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
        )
        live = self.console.is_terminal
        self.bars = Progress(
            *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=self.console, disable=not live
        )
        self.task = self.bars.add_task(model, total=epochs, told="")

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def add(self, report: EpochReport, means: Mapping[str, float] | None) -> None:
        """Take a finished epoch."""
        told = f"loss {report.loss:.4f}"
        if means is not None:
            self.best = max(self.best, means[self.metric])
            told += f", {self.metric} {means[self.metric]:.4f} (best {self.best:.4f})"
        self.bars.update(self.task, completed=report.epoch, told=told)
        if not self.console.is_terminal and time.monotonic() - self.said >= LINE_EVERY_S:
            self.said = time.monotonic()
            self.console.print(f"epoch {report.epoch}/{self.epochs}: {told}, {report.seconds:.1f} s")
