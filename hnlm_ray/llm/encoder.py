"""Texts to unit vectors: a sentence encoder on CPU or GPU, or counts of letter trigrams (no model)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.models import HTTP, TRIGRAMS, encoder_path


class TextEncoder(Protocol):
    """Turns texts into unit vectors."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return float32 [texts, d]."""


class TrigramEncoder:
    """Counts of letter trigrams, hashed: spelling alone, for dry runs and tests."""

    _DIM = 256

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return float32 [texts, 256] of unit length."""
        vectors = np.zeros((len(texts), self._DIM), dtype=np.float32)
        for row, text in enumerate(texts):
            padded = f"  {text.casefold()} "
            for start in range(len(padded) - 2):
                vectors[row, zlib.crc32(padded[start : start + 3].encode()) % self._DIM] += 1
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return vectors


def open_encoder(llm: LLMConfig, sharers: int = 1) -> TextEncoder:
    """Load ``llm.encoder``; ``sharers`` processes use it at a time, and divide a server's limits per minute.

    Raises
    ------
    InputError
        When it is not there, or a server's key is not in the environment.
    """
    if llm.encoder == TRIGRAMS:
        return TrigramEncoder()
    if llm.encoder.startswith(HTTP):
        return _server_encoder(llm, sharers)
    return SentenceEncoder(encoder_path(llm.encoder), trust_remote_code=llm.trust_remote_code)


def _server_encoder(llm: LLMConfig, sharers: int) -> TextEncoder:
    from hnlm_ray.llm.engines.http.encoder import HttpEncoder

    model = llm.encoder.removeprefix(HTTP)
    if llm.encoder_http is not None:
        return HttpEncoder(llm.encoder_http, model, "llm.encoder_http", sharers)
    if llm.http is None:
        raise InputError(f"llm.encoder '{llm.encoder}' needs a server: set llm.encoder_http.base_url")
    return HttpEncoder(llm.http.model_copy(update={"extra": {}}), model, "llm.http", sharers)


class SentenceEncoder:
    """Turns texts into unit vectors, float32 [texts, d] (Sentence-BERT's mean pooling)."""

    def __init__(self, model: str, *, trust_remote_code: bool = False, max_tokens: int = 128) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=trust_remote_code)
        self._model = AutoModel.from_pretrained(model, trust_remote_code=trust_remote_code).to(self._device).eval()
        self._max_tokens = max_tokens

    def encode(self, texts: Sequence[str], batch: int = 64) -> npt.NDArray[np.float32]:
        """Encode texts; they are batched by length, so that little is spent on padding."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        width = int(self._model.config.hidden_size)
        vectors = np.zeros((len(texts), width), dtype=np.float32)
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            vectors[rows] = self._encode_batch([texts[row] for row in rows])
        return vectors

    def _encode_batch(self, texts: list[str]) -> npt.NDArray[np.float32]:
        import torch

        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=self._max_tokens, return_tensors="pt")
        tokens = tokens.to(self._device)
        with torch.inference_mode():
            hidden = self._model(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
            unit = torch.nn.functional.normalize(mean, dim=1)
        result: npt.NDArray[np.float32] = unit.float().cpu().numpy()
        return result
