"""The state of a running training below the workspace: the same training started again goes on at its epoch.

``states/<part>/<epoch>`` beside the rows' parts holds the SHA-256 of the rest, one line that says what was trained
and how far, and the training's state as torch wrote it. A file that was cut off does not have its hash and is passed
over; the one before it goes only when its successor is written. Nothing relies on rename.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pyarrow import fs as pafs
from pydantic import BaseModel, ConfigDict, ValidationError

from hnlm_ray.base.progress import SavePace
from hnlm_ray.config import CFConfig
from hnlm_ray.tune.job import Job
from hnlm_ray.tune.run.curve import Curve
from hnlm_ray.workspace import listed

log = logging.getLogger(__name__)
_HASH: Final = 64
State = dict[str, Any]


class StateHeader(BaseModel):
    """What was trained, and how far."""

    model_config = ConfigDict(extra="forbid")

    config: CFConfig
    seed: int
    curve: Curve


@dataclass(frozen=True)
class StateStore:
    """The states of a sweep's running trainings; picklable, so that workers write their own."""

    filesystem: pafs.FileSystem
    folder: str

    def begun(self) -> dict[str, CFConfig]:
        """Return what was being trained when a run ended, by part: a training goes on with the settings it had."""
        parts = [
            info.base_name for info in listed(self.filesystem, self.folder) if info.type == pafs.FileType.Directory
        ]
        found = {part: next(self._headers(part), None) for part in parts}
        return {part: header.config for part, header in found.items() if header is not None}

    def write(self, part: str, header: StateHeader, state: State) -> None:
        """Keep a state, then remove those before it."""
        import torch

        stream = io.BytesIO()
        torch.save(state, stream)
        body = header.model_dump_json().encode() + b"\n" + stream.getvalue()
        name = f"{header.curve.epochs:06}"
        self.filesystem.create_dir(f"{self.folder}/{part}", recursive=True)
        with self.filesystem.open_output_stream(f"{self.folder}/{part}/{name}") as out:
            out.write(hashlib.sha256(body).hexdigest().encode())
            out.write(body)
        for info in self._files(part):
            if info.base_name != name:
                self.filesystem.delete_file(info.path)

    def read(self, part: str) -> tuple[StateHeader, State] | None:
        """Return the newest whole state; none where there is none."""
        for info in self._files(part):
            with self.filesystem.open_input_stream(info.path) as stream:
                found = _parsed(stream.read())
            if found is not None:
                return found
            log.warning("%s was cut off while it was written: it is passed over", info.path)
        return None

    def remove(self, part: str) -> None:
        """Remove what is kept of a training."""
        folder = f"{self.folder}/{part}"
        if self.filesystem.get_file_info(folder).type == pafs.FileType.Directory:
            self.filesystem.delete_dir(folder)

    def _headers(self, part: str) -> Iterator[StateHeader]:
        for info in self._files(part):
            with self.filesystem.open_input_stream(info.path) as stream:
                line = io.BufferedReader(stream).readline()
            if (header := _header(line[_HASH:])) is not None:
                yield header

    def _files(self, part: str) -> list[pafs.FileInfo]:
        """Return the files of a training, the newest first."""
        files = [info for info in listed(self.filesystem, f"{self.folder}/{part}") if info.type == pafs.FileType.File]
        return sorted(files, key=lambda info: str(info.base_name), reverse=True)


def _header(line: bytes) -> StateHeader | None:
    try:
        return StateHeader.model_validate_json(line)
    except ValidationError:
        return None


def _parsed(data: bytes) -> tuple[StateHeader, State] | None:
    import torch

    if hashlib.sha256(memoryview(data)[_HASH:]).hexdigest().encode() != data[:_HASH]:
        return None
    end = data.index(b"\n", _HASH)
    header = _header(data[_HASH:end])
    state = torch.load(io.BytesIO(memoryview(data)[end + 1 :]), map_location="cpu", weights_only=True)
    return None if header is None else (header, state)


class TrainingStates:
    """Keeps one training's state between epochs, where that pays (:class:`hnlm_ray.cf.training.train.Checkpoints`).

    Parameters
    ----------
    curve
        Belongs to the state: it is kept with it, and is as it was when the state is taken up.
    taken_up
        Called when a training goes on where an earlier process left it.
    """

    def __init__(self, store: StateStore, job: Job, curve: Curve, taken_up: Callable[[], None]) -> None:
        self._store, self._job, self._curve, self._taken_up = store, job, curve, taken_up
        self._pace = SavePace()

    def load(self) -> State | None:
        """Return the state that this very training had; none: it starts anew."""
        found = self._store.read(self._job.part)
        if found is None or (found[0].config, found[0].seed) != (self._job.config, self._job.seed):
            return None
        self._curve.go_on_from(found[0].curve)
        self._taken_up()
        return found[1]

    def save(self, state: Callable[[], State], *, last: bool) -> None:
        """Keep the state unless it is the last (its row follows) or the writing before is too near."""
        if last or not self._pace.due:
            return
        with self._pace.saving():
            header = StateHeader(config=self._job.config, seed=self._job.seed, curve=self._curve)
            self._store.write(self._job.part, header, state())
