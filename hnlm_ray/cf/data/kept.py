"""What a process keeps of what it made lately, found again by the content that it was made from."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import numpy as np

Made = TypeVar("Made")
Array = np.ndarray[Any, Any]


class Kept(Generic[Made]):
    """Up to ``most`` things by the content that each was made from; the one used least lately goes first.

    It goes before the next is made, so that no more than ``most`` are held at any time.
    """

    def __init__(self, most: int) -> None:
        self.most, self._made = most, OrderedDict[bytes, Made]()

    def get(self, content: bytes, make: Callable[[], Made]) -> Made:
        """Return what was made from this content, or make it."""
        if content not in self._made:
            while len(self._made) >= self.most:
                self._made.popitem(last=False)
            self._made[content] = make()
        self._made.move_to_end(content)
        return self._made[content]


def content_of(settings: Iterable[object], arrays: Iterable[Array | None]) -> bytes:
    """Return a hash of settings, by their text, and of arrays, by type, shape and values; none is a value too."""
    digest = hashlib.sha256(repr([str(one) for one in settings]).encode())
    for array in arrays:
        digest.update(b"none" if array is None else f"{array.dtype} {array.shape}".encode())
        digest.update(b"" if array is None else np.ascontiguousarray(array).data)
    return digest.digest()
