"""How fast the fine-tuning's model trains and reads: a few real micro-batches, and the start of the encoder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hnlm_ray.config import Config
from hnlm_ray.finetune.query import Query

_BATCHES: Final = 3


@dataclass(frozen=True)
class TuningPace:
    """Of one worker, in seconds: to load the model, to train on a token of a query, to read one."""

    load_s: float
    train_token_s: float
    read_token_s: float


def measure_tuning(config: Config, queries: Sequence[Query]) -> TuningPace:
    """Train on micro-batches of these queries with vectors drawn at random, in this process; nothing is kept."""
    import torch

    from hnlm_ray.finetune.model import new_model

    torch.set_num_threads(max(1, int(config.finetune.cpus_per_worker)))
    device = "cuda" if config.finetune.gpus_per_worker and torch.cuda.is_available() else "cpu"
    started = time.monotonic()
    model = new_model(config, config.teacher.cf.dim, config.seed).to(device)
    loaded = time.monotonic() - started
    micro = config.finetune.micro_batch
    batches = [[queries[(micro * n + row) % len(queries)] for row in range(micro)] for n in range(_BATCHES)]

    def read(batch: Sequence[Query]) -> Any:  # noqa: ANN401  a tensor
        vectors = torch.randn(len(batch), config.teacher.cf.dim, device=device)
        return model(batch, vectors, vectors)

    def train(batch: Sequence[Query]) -> None:
        read(batch).pow(2).sum().backward()

    trained = _token_s(train, batches, device)
    with torch.no_grad():
        return TuningPace(loaded, trained, _token_s(read, batches, device))


def _token_s(work: Callable[[Sequence[Query]], object], batches: Sequence[Sequence[Query]], device: str) -> float:
    """Return the seconds a token, the first batch left out: it also pays for what happens once."""
    import torch

    work(batches[0])
    started = time.monotonic()
    for batch in batches[1:]:
        work(batch)
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.monotonic() - started) / sum(len(query.ids) for batch in batches[1:] for query in batch)


@dataclass(frozen=True)
class EncoderPace:
    """Seconds to load the encoder, and to encode one text."""

    load_s: float
    text_s: float


def measure_encoder(config: Config, texts: Sequence[str]) -> EncoderPace:
    """Encode these texts twice, in this process; the first time does not count."""
    import torch

    from hnlm_ray.llm.encoder import open_encoder

    torch.set_num_threads(1)
    started = time.monotonic()
    encoder = open_encoder(config.llm)
    encoder.encode(texts[:1])
    loaded = time.monotonic()
    encoder.encode(texts)
    return EncoderPace(loaded - started, (time.monotonic() - loaded) / len(texts))
