"""A sentence encoder on CPU or GPU: mean of the last hidden states, unit length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


class Encoder:
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
