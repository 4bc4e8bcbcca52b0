"""What a training shows while it runs: its curve, its best epoch so far, the time it took, and event files of these."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field

from hnlm_ray.cf import EpochReport, Hardness

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter


class Point(BaseModel):
    """An epoch: mean loss, the compared metric on validation where it was evaluated, CPU seconds since the start.

    Of some epochs of a refit also how hard its negatives are and how many are false; nothing is chosen by these.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: int = Field(ge=1)
    loss: float
    validation: float | None
    cpu_seconds: float
    hardness: float | None = None
    false_negative_share: float | None = None


class Curve(BaseModel):
    """A training up to now; one that is taken up again goes on with what it had."""

    model_config = ConfigDict(extra="forbid")

    points: list[Point] = []
    best_epoch: int = 0
    validation: dict[str, float] = {}
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return self.points[-1].epoch if self.points else 0

    def go_on_from(self, kept: Curve) -> None:
        """Take over what an earlier process had; the time spent since then stays."""
        self.points, self.best_epoch, self.validation = kept.points, kept.best_epoch, kept.validation
        self.seconds += kept.seconds
        self.cpu_seconds += kept.cpu_seconds

    def add(
        self, report: EpochReport, means: Mapping[str, float] | None, metric: str, negatives: Hardness | None = None
    ) -> Point:
        """Take an epoch; the first of equally good ones is the best."""
        value = None if means is None else means[metric]
        point = Point(
            epoch=report.epoch,
            loss=report.loss,
            validation=value,
            cpu_seconds=round(self.cpu_seconds, 3),
            hardness=negatives.hardness if negatives else None,
            false_negative_share=negatives.false_negative_share if negatives else None,
        )
        self.points.append(point)
        if means is not None and value is not None and value > self.validation.get(metric, -1.0):
            self.best_epoch, self.validation = report.epoch, dict(means)
        return point


class Watch:
    """Adds wall and CPU seconds of this process to a curve, from its making on."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def stop_into(self, curve: Curve) -> None:
        """Add the time since the last call."""
        wall, cpu = time.monotonic(), time.process_time()
        curve.seconds += wall - self._wall
        curve.cpu_seconds += cpu - self._cpu
        self._wall, self._cpu = wall, cpu


FLUSH_S: Final = 5


class EventFiles:
    """Writes the points of one training below ``folder``, a local one; one that starts again writes all anew."""

    def __init__(self, folder: str, metric: str) -> None:
        self._folder, self._tag = folder, f"validation/{metric.replace('@', '_')}"  # its tags have no @
        self._writer: SummaryWriter | None = None

    def add(self, point: Point) -> None:
        """Write an epoch's loss and, where it was evaluated, the metric on validation."""
        writer = self._open()
        writer.add_scalar("loss", point.loss, point.epoch)
        if point.validation is not None:
            writer.add_scalar(self._tag, point.validation, point.epoch)

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> SummaryWriter:
        if self._writer is None:
            from tensorboardX import SummaryWriter

            shutil.rmtree(self._folder, ignore_errors=True)
            os.makedirs(self._folder)
            self._writer = SummaryWriter(self._folder, flush_secs=FLUSH_S)
        return self._writer
