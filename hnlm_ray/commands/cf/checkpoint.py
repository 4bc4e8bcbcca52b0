"""Checkpoints of a training alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.progress import SavePace
from hnlm_ray.config import CFConfig

if TYPE_CHECKING:
    from hnlm_ray.cf import CFData

TEACHER_USERS: Final = 16
State = dict[str, Any]


class FileCheckpoints:
    """The state after an epoch, in one file that is replaced whole.

    Written after the last epoch, and before it as :class:`~hnlm_ray.base.progress.SavePace` says. A state belongs to
    its settings, its data and ``belongs``.

    Raises
    ------
    InputError
        A file is there and ``resume`` is not given, so that nothing is lost by a forgotten option; with ``resume``:
        none is there (where it is ``needed``), it can't be read, or it is of another training.
    """

    def __init__(
        self,
        path: str,
        config: CFConfig,
        data: CFData,
        belongs: Mapping[str, Any],
        *,
        resume: bool,
        needed: bool = True,
    ) -> None:
        self.path, self.resume, self.needed = path, resume, needed
        self.belongs = {**belongs, **dict(_flat("cf", config.model_dump(mode="json"))), "data": digest(data)}
        self.pace = SavePace()
        if os.path.exists(path) and not resume:
            raise InputError(f"{path} is there from a training before: add --resume, or choose another --out")

    def load(self) -> State | None:
        """Return the kept state; none where nothing is to be taken up."""
        if not self.resume:
            return None
        if not os.path.exists(self.path):
            if self.needed:
                raise InputError(f"{self.path} is not there: start without --resume")
            return None
        import torch

        try:
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
            belongs, state = dict(kept["belongs"]), dict(kept["state"])
        except Exception as error:
            raise InputError(f"{self.path} can't be read ({type(error).__name__}): delete it and start anew") from error
        self._check(belongs)
        return state

    def _check(self, belongs: Mapping[str, Any]) -> None:
        for name in sorted(
            belongs.keys() | self.belongs.keys(), key=lambda name: (name == "data", name != "cf.init", name)
        ):
            before, now = belongs.get(name), self.belongs.get(name)
            if name not in belongs:
                raise InputError(
                    f"{self.path} was kept by a version that had no {name} (this training has {now}): begin anew with "
                    "another --out"
                )
            if before != now:
                raise InputError(
                    f"{self.path} has {name} {before} and this training {now}: give the same or start anew"
                )

    def save(self, state: Callable[[], State], *, last: bool) -> None:
        """Write the state, unless it is not the last and the writing before is too near."""
        if last or self.pace.due:
            with self.pace.saving():
                self._write(state())

    def _write(self, state: State) -> None:
        import torch

        fresh = f"{self.path}.part"
        try:
            torch.save({"belongs": self.belongs, "state": state}, fresh)
            os.replace(fresh, self.path)
        except (OSError, RuntimeError) as error:
            told = " ".join(str(error).split())[:100]
            raise InputError(f"{self.path} can't be written ({told}): make room or choose another --out") from error


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 any JSON
    if not isinstance(value, dict):
        yield name, value
        return
    for key, part in value.items():
        yield from _flat(f"{name}.{key}", part)


def digest(data: CFData) -> str:
    """Return a short name of what is trained on and chosen by: the pairs of all splits, text, triples, a teacher.

    Of a teacher, which may be larger than memory, some users' scores stand for all.
    """
    parts = hashlib.sha256(f"{data.users} {data.items}".encode())
    for split in (data.train, data.validation, data.test):
        for column in () if split is None else (split.indptr, split.items):
            parts.update(column.data)
        parts.update(b"|")
    for array in (data.item_text, data.user_text, data.triples):
        parts.update(b"|" if array is None else array.tobytes())
    if data.teacher is not None:
        import torch

        some = torch.linspace(0, data.users - 1, min(data.users, TEACHER_USERS), dtype=torch.int64)
        parts.update(data.teacher.scores(some.to(data.teacher.device)).cpu().numpy().tobytes())
    return parts.hexdigest()[:12]
