"""What a training alone leaves in its folder: checkpoints while it goes on, vectors and figures at its end."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from hnlm_ray.config import CFConfig
from hnlm_ray.errors import InputError

if TYPE_CHECKING:
    from hnlm_ray.cf import CFData, Scorer
    from hnlm_ray.cf.files import Loaded

EVERY_S: Final = 30.0
NAME: Final = "checkpoint.pt"
State = dict[str, Any]


class FileCheckpoints:
    """The state after an epoch, in one file that is replaced whole; written every 30 seconds and at the end.

    A state belongs to its data, settings and seed. InputError where ``resume`` finds none, or one of another training;
    without ``resume`` a folder that holds one is refused, so that nothing is lost by a forgotten option.
    """

    def __init__(self, folder: str, config: CFConfig, data: CFData, seed: int, *, resume: bool) -> None:
        self.path, self.resume, self.written = os.path.join(folder, NAME), resume, time.monotonic()
        self.belongs = {
            "config": json.dumps(config.model_dump(mode="json"), sort_keys=True),
            "data": digest(data),
            "seed": seed,
        }
        self.pending: Callable[[], State] | None = None
        if os.path.exists(self.path) and not resume:
            raise InputError(f"{self.path} is there from a training before: add --resume, or choose another --out")

    def load(self) -> State | None:
        """Return the kept state; none where nothing is to be taken up."""
        if not self.resume:
            return None
        if not os.path.exists(self.path):
            raise InputError(f"{self.path} is not there: start without --resume")
        import torch

        try:
            kept: State = torch.load(self.path, weights_only=True)
            belongs, state = kept["belongs"], kept["state"]
        except Exception as error:
            raise InputError(f"{self.path} can't be read ({type(error).__name__}): delete it and start anew") from error
        self._check(belongs)
        return dict(state)

    def _check(self, belongs: Mapping[str, Any]) -> None:
        if belongs["config"] != self.belongs["config"]:
            raise InputError(
                f"{self.path} is of other settings: {_difference(belongs['config'], self.belongs['config'])}"
            )
        for name in ("data", "seed"):
            if belongs[name] != self.belongs[name]:
                raise InputError(f"{self.path} is of {name} {belongs[name]}, this training of {self.belongs[name]}")

    def save(self, state: Callable[[], State]) -> None:
        """Write the state where the last writing is 30 seconds ago."""
        self.pending = state
        if time.monotonic() - self.written >= EVERY_S:
            self._write(state())

    def keep_last(self) -> None:
        """Write the state of the last epoch, unless it is written."""
        if self.pending is not None:
            self._write(self.pending())

    def _write(self, state: State) -> None:
        import torch

        fresh = f"{self.path}.part"
        torch.save({"belongs": self.belongs, "state": state}, fresh)
        os.replace(fresh, self.path)
        self.pending, self.written = None, time.monotonic()


def _difference(before: str, now: str) -> str:
    old, new = json.loads(before), json.loads(now)
    name = next(name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name))
    return f"cf.{name} was {old.get(name)} and is {new.get(name)}; give the same or start anew"


def digest(data: CFData) -> str:
    """Return a short name of the pairs of all splits and of the text."""
    parts = hashlib.sha256(f"{data.users} {data.items}".encode())
    for split in (data.train, data.validation, data.test):
        for column in () if split is None else (split.indptr, split.items):
            parts.update(column.tobytes())
        parts.update(b"|")
    for array in (data.item_text, data.user_text, data.triples):
        parts.update(b"|" if array is None else array.tobytes())
    return parts.hexdigest()[:12]


def keep_result(folder: str, answer: Mapping[str, Any], scorer: Scorer, loaded: Loaded) -> None:
    """Write ``result.json``, the model's vectors (where it has some) as .npy, and the source's ids."""
    import numpy as np

    from hnlm_ray.cf import EmbeddingScores

    arrays: dict[str, Any] = {}
    if isinstance(scorer, EmbeddingScores):
        arrays["user_embeddings"] = scorer.user_embeddings.cpu().numpy()
        arrays["item_embeddings"] = scorer.item_embeddings.cpu().numpy()
    for name, ids in (("user_ids", loaded.user_ids), ("item_ids", loaded.item_ids)):
        if ids is not None:
            arrays[name] = np.asarray(ids)
    for name, array in arrays.items():
        fresh = os.path.join(folder, f"{name}.part.npy")
        np.save(fresh, array, allow_pickle=False)
        os.replace(fresh, os.path.join(folder, f"{name}.npy"))
    text = os.path.join(folder, "result.json")
    with open(f"{text}.part", "w", encoding="utf-8") as stream:
        json.dump(answer, stream, indent=1, allow_nan=False)
    os.replace(f"{text}.part", text)
