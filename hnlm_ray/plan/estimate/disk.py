"""Disk of stages' tables: bytes a row and a file, as Parquet compresses them."""

from __future__ import annotations

from typing import Final

from hnlm_ray.plan.estimate.memory import BYTES
from hnlm_ray.plan.estimate.stage_cost import Remaining

_FILE: Final = 3000
"""Bytes of a part without rows: its schema and its footer."""
_TEXT: Final = 0.4
"""Compressed bytes of a character that an LLM wrote."""
_VECTOR: Final = 1.4
"""Bytes in the file of a byte of a vector: numbers hardly compress, and Parquet keeps them twice indexed."""
_OUTCOME, _PAIR, _LIST_ENTRY = 16, 8, 4
_TRAINING_FILE: Final = 12_000
"""A training's row has a file of its own until its stage ends."""


def answer_bytes(remaining: Remaining) -> float:
    """Return what an LLM writes, and its chunks."""
    config, found = remaining.config, remaining.found.answers[remaining.stage]
    files = -(-remaining.rows // config.llm.batch_rows) + config.prepare.buckets
    chars = sum(found.chars) / max(1, len(found.chars))
    return 2 * remaining.rows * (chars * _TEXT + _OUTCOME) + files * _FILE


def candidate_bytes(remaining: Remaining) -> float:
    """Return the candidates of users."""
    return _listed(remaining) + _files(remaining, 1)


def judgement_bytes(remaining: Remaining) -> float:
    """Return what an LLM writes of candidates, and the candidates themselves."""
    return answer_bytes(remaining) + 2 * _listed(remaining)


def _listed(remaining: Remaining) -> float:
    return remaining.rows * (_PAIR + 2 * _LIST_ENTRY * remaining.config.evidence.candidates)


def teacher_bytes(remaining: Remaining) -> float:
    """Return the teacher's vectors and what is mined with them."""
    data, settings = remaining.data, remaining.config.teacher
    vectors = (data.users + data.items) * settings.cf.dim * 4 * _VECTOR
    mined = data.pairs(settings.pairs_per_user) * (_PAIR + 3 * _LIST_ENTRY * settings.mined)
    return vectors + mined + _files(remaining, 3)


def record_bytes(remaining: Remaining) -> float:
    """Return supervision records."""
    settings = remaining.config.records
    texts = (settings.user_chars + settings.item_chars) * _TEXT
    return remaining.rows * (texts + _PAIR + _LIST_ENTRY * (settings.negatives + 1)) + _FILE


def finetune_bytes(remaining: Remaining) -> float | None:
    """Return the exported model, the last checkpoints and the log; None where the model's size is not known."""
    settings, shape = remaining.config.finetune, remaining.task.tuned
    if shape is None:
        return None
    size = BYTES[settings.precision]
    exported = shape.parameters * size
    trained = shape.lora_parameters(settings.lora.rank, settings.lora.targets) * 4
    checkpoints = 2 * 4 * trained  # the last and the next one: weights, a copy in float32, Adam's two moments
    return exported + trained + checkpoints + remaining.rows * _PAIR + 2 * _FILE


def evaluation_bytes(_remaining: Remaining) -> float:
    """Return the figures of the comparison on held-out users."""
    return _FILE


def embedding_bytes(remaining: Remaining) -> float:
    """Return vectors of pairs."""
    vectors = remaining.rows * (remaining.config.teacher.cf.dim * 2 * _VECTOR + _OUTCOME)
    return 2 * vectors + _files(remaining, 1) + remaining.rows / remaining.config.llm.batch_rows * _FILE


def pool_bytes(remaining: Remaining) -> float:
    """Return the pool."""
    size = remaining.config.negatives.pool_size * (2 if remaining.config.makes_vectors else 1)
    vector = remaining.config.teacher.cf.dim * 2 * _VECTOR if remaining.config.makes_vectors else 0
    return remaining.rows * (_PAIR + 3 * _LIST_ENTRY * size + vector) + _files(remaining, 1)


def training_bytes(remaining: Remaining) -> float:
    """Return rows of trainings and their files."""
    each = _TRAINING_FILE + 16 * remaining.config.cf.epochs
    return remaining.rows * each + _FILE


def result_bytes(remaining: Remaining) -> float:
    """Return rows of refits, with a figure of each user."""
    return training_bytes(remaining) + 2 * remaining.rows * remaining.data.users * 4


def model_bytes(remaining: Remaining) -> float:
    """Return the vectors of the model that recommends."""
    tables = (remaining.data.users + remaining.data.items) * remaining.config.cf.dim * 4 * _VECTOR
    return tables + _files(remaining, 2)


def list_bytes(remaining: Remaining) -> float:
    """Return everybody's lists."""
    return 2 * remaining.rows * 10 + _files(remaining, 2)


def _files(remaining: Remaining, tables: int) -> float:
    return tables * remaining.config.prepare.buckets * _FILE
