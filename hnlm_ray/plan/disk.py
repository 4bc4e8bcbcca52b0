"""Disk of each stage's tables in MiB: bytes a row and a file, as Parquet compresses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hnlm_ray.config import Config
from hnlm_ray.plan.checkpoint_shape import CheckpointShape
from hnlm_ray.plan.memory import BYTES, MIB
from hnlm_ray.plan.rows import Prepared

_FILE: Final = 3000
"""Bytes of a part without rows: its schema and its footer."""
_TEXT: Final = 0.4
"""Compressed bytes of a character that an LLM wrote."""
_VECTOR: Final = 1.4
"""Bytes in the file of a byte of a vector: numbers hardly compress, and Parquet keeps them twice indexed."""
_OUTCOME, _PAIR, _LIST_ENTRY = 16, 8, 4
_TRAINING_FILE: Final = 12_000
"""A training's row has a file of its own until its stage ends."""


@dataclass(frozen=True)
class Written:
    """What is known of a run's output: its data, its model (None: unknown), characters of an answer by stage."""

    config: Config
    data: Prepared
    shape: CheckpointShape | None
    chars: Mapping[str, float]


def stage_mib(name: str, written: Written, rows: int) -> float | None:
    """Return the disk of what a stage writes for so many rows, chunks included that it removes at its end."""
    found = _BYTES[name](written, rows)
    return None if found is None else found / MIB


def _answers(name: str) -> Callable[[Written, int], float]:
    def size(written: Written, rows: int) -> float:
        llm = written.config.llm
        files = -(-rows // llm.batch_rows) + written.config.prepare.buckets
        return 2 * rows * (written.chars.get(name, 0.0) * _TEXT + _OUTCOME) + files * _FILE

    return size


def _candidates(written: Written, rows: int) -> float:
    return rows * (_PAIR + 2 * _LIST_ENTRY * written.config.evidence.candidates)


def _teacher(written: Written, _rows: int) -> float:
    data, settings = written.data, written.config.teacher
    vectors = (data.users + data.items) * settings.cf.dim * 4 * _VECTOR
    mined = data.pairs(settings.pairs_per_user) * (_PAIR + 3 * _LIST_ENTRY * settings.mined)
    return vectors + mined + _files(written, 3)


def _records(written: Written, rows: int) -> float:
    settings = written.config.records
    texts = (settings.user_chars + settings.item_chars) * _TEXT
    return rows * (texts + _PAIR + _LIST_ENTRY * (settings.negatives + 1)) + _FILE


def _finetune(written: Written, rows: int) -> float | None:
    if written.shape is None:
        return None
    settings = written.config.finetune
    size = BYTES[settings.precision]
    exported = written.shape.parameters * size
    trained = written.shape.lora_parameters(settings.lora.rank, settings.lora.targets) * 4
    checkpoints = 2 * 4 * trained  # the last and the next one: weights, a copy in float32, Adam's two moments
    return exported + trained + checkpoints + rows * _PAIR + 2 * _FILE


def _embeddings(written: Written, rows: int) -> float:
    vectors = rows * (written.config.teacher.cf.dim * 2 * _VECTOR + _OUTCOME)
    return 2 * vectors + _files(written, 1) + rows / written.config.llm.batch_rows * _FILE


def _pool(written: Written, rows: int) -> float:
    size = written.config.negatives.pool_size * (2 if written.config.makes_vectors else 1)
    vector = written.config.teacher.cf.dim * 2 * _VECTOR if written.config.makes_vectors else 0
    return rows * (_PAIR + 3 * _LIST_ENTRY * size + vector) + _files(written, 1)


def _trainings(written: Written, rows: int) -> float:
    each = _TRAINING_FILE + 16 * written.config.cf.epochs
    return rows * each + _FILE


def _results(written: Written, rows: int) -> float:
    return _trainings(written, rows) + 2 * rows * written.data.users * 4


def _model(written: Written, _rows: int) -> float:
    tables = (written.data.users + written.data.items) * written.config.cf.dim * 4 * _VECTOR
    return tables + _files(written, 2)


def _lists(written: Written, rows: int) -> float:
    return 2 * rows * 10 + _files(written, 2)


def _files(written: Written, tables: int) -> float:
    return tables * written.config.prepare.buckets * _FILE


_BYTES: Final[Mapping[str, Callable[[Written, int], float | None]]] = {
    "item_profiles": _answers("item_profiles"),
    "user_profiles": _answers("user_profiles"),
    "candidates": lambda written, rows: _candidates(written, rows) + _files(written, 1),
    "judgements": lambda written, rows: _answers("judgements")(written, rows) + 2 * _candidates(written, rows),
    "semantic_negatives": _answers("semantic_negatives"),
    "teacher": _teacher,
    "records": _records,
    "finetune": _finetune,
    "finetune_eval": lambda _written, _rows: _FILE,
    "embeddings": _embeddings,
    "negative_pool": _pool,
    "trials": _trainings,
    "results": _results,
    "final_model": _model,
    "recommendations": _lists,
}
