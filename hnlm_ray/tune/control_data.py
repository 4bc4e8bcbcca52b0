"""The data that each method of the comparison trains on: what it reads, and nothing else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import (
    CFData,
    NegativePool,
    Positives,
    facts_pool,
    item_vectors,
    random_pool,
    random_vectors,
    shuffled_evidence,
    shuffled_pool,
    shuffled_text,
    shuffled_vectors,
    teacher_vectors,
)
from hnlm_ray.config import MethodName
from hnlm_ray.methods.known import METHODS, Method, Reads

_KEPT: Final = 4
_ADDS: Final[Mapping[Reads, Callable[[CFData, CFData, int], CFData]]] = {
    "nothing": lambda plain, _data, _seed: plain,
    "pool": lambda plain, data, _seed: replace(plain, pool=data.pool),
    "random_pool": lambda plain, data, seed: replace(plain, pool=random_pool(data, seed)),
    "shuffled_pool": lambda plain, data, seed: replace(plain, pool=shuffled_pool(data, seed)),
    "facts_pool": lambda plain, data, _seed: replace(plain, pool=facts_pool(data)),
    "triples": lambda plain, data, _seed: replace(plain, triples=pool_triples(data.train, data.pool)),
    "shuffled_triples": lambda plain, data, seed: replace(
        plain, triples=pool_triples(data.train, shuffled_pool(data, seed))
    ),
    "facts_triples": lambda plain, data, _seed: replace(plain, triples=pool_triples(data.train, facts_pool(data))),
    "vectors": lambda plain, data, _seed: replace(plain, vectors=data.vectors),
    "random_vectors": lambda plain, data, seed: replace(plain, vectors=random_vectors(data, seed)),
    "shuffled_vectors": lambda plain, data, seed: replace(plain, vectors=shuffled_vectors(data, seed)),
    "teacher_vectors": lambda plain, data, _seed: replace(plain, vectors=teacher_vectors(data)),
    "item_vectors": lambda plain, data, _seed: replace(plain, vectors=item_vectors(data)),
    "text": lambda plain, data, _seed: replace(plain, item_text=data.item_text),
    "shuffled_text": lambda plain, data, seed: replace(plain, item_text=shuffled_text(data, seed)),
    "facts_text": lambda plain, data, _seed: replace(plain, item_text=_facts(data)),
    "evidence": lambda plain, data, _seed: _with_evidence(plain, data),
    "shuffled_evidence": lambda plain, data, seed: _with_evidence(plain, shuffled_evidence(data, seed)),
}


def method_data(method: MethodName, data: CFData, seed: int, methods: Mapping[MethodName, Method] = METHODS) -> CFData:
    """Return the splits of ``data`` with what the method reads: a control gets its own, made from ``seed``.

    ``methods`` are those of the run. InputError where triples or a control need a pool, vectors or text and there
    are none.
    """
    return read_data(methods[method].reads, data, seed)


def read_data(reads: Reads, data: CFData, seed: int) -> CFData:
    """Return the splits of ``data`` with what is read beside them, as :func:`method_data` does."""
    bare = replace(data, item_text=None, facts_text=None, user_text=None, user_text_from=None)
    plain = replace(bare, pool=None, vectors=None, judgements=None)
    return _ADDS[reads](plain, data, seed)


def is_drawn(reads: Reads) -> bool:
    """Tell whether what is read is made from a seed."""
    return reads.startswith(("random_", "shuffled_"))


def _facts(data: CFData) -> NDArray[np.float32]:
    if data.facts_text is None:
        raise InputError("a control reads the items' facts and the data has none; encode them first")
    return data.facts_text


def _with_evidence(plain: CFData, data: CFData) -> CFData:
    return replace(
        plain,
        vectors=data.vectors,
        item_text=data.item_text,
        user_text=data.user_text,
        user_text_from=data.user_text_from,
        judgements=data.judgements,
    )


def pool_triples(train: Positives, pool: NegativePool | None) -> NDArray[np.int64]:
    """Return int64[n, 3]: a training pair and an item of its pool, which its user is held to like less."""
    if pool is None:
        raise InputError("triples are made from a pool and the data has none; make the negative pool first")
    users, items = train.pairs()
    edges = pool.edges()
    return np.stack([users[edges], items[edges], pool.items], axis=1).astype(np.int64)


@dataclass
class KeptData:
    """What :func:`read_data` made lately in this process: the same object for the same run, reading and seed.

    What no seed draws is the same for all seeds. It saves time alone: a worker receives the run's data anew with each
    training, and a control would be drawn, and its data checked, each time. What is kept of a guard or a teacher is
    found by content, whichever object the data is. The least recently used of more than four is dropped.
    """

    _kept: OrderedDict[tuple[str, Reads, int], CFData] = field(default_factory=OrderedDict)

    def read_data(self, run: str, reads: Reads, data: CFData, seed: int) -> CFData:
        """Return the data with what is read beside it; ``run`` names what ``data`` is, whichever copy it comes in."""
        key = run, reads, seed if is_drawn(reads) else 0
        if key not in self._kept:
            self._kept[key] = read_data(reads, data, seed)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]
