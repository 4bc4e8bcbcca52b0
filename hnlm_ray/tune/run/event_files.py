"""TensorBoard's event files of a training's curve."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from hnlm_ray.tune.run.curve import Point

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

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
