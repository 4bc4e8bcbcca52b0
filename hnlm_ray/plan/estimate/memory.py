"""Memory of each stage's workers in MiB, from the sizes of what they hold; the processes themselves are not in it."""

from __future__ import annotations

from typing import Final

from hnlm_ray.config import CFConfig, Config
from hnlm_ray.plan.measure.checkpoint_shape import CheckpointShape
from hnlm_ray.plan.sizes import Prepared

MIB: Final = 2**20
BYTES: Final = {"float32": 4, "bfloat16": 2, "float16": 2}
_FLOAT: Final = 4
_TABLES_OF_ADAM: Final = 4
"""Of a trained table: values, gradients and Adam's two moments."""
_ACTIVATIONS, _SCORES = 17, 2.5
"""Numbers kept of a token in a layer for the way back: 17 a hidden unit, 2.5 a head and other token (Korthikanti et
al., 2022, equation 2: bytes of 16-bit training, here halved to numbers)."""


def engine_mib(config: Config, shape: CheckpointShape, dtype: str, mean_tokens: float) -> float:
    """Return the memory of all engines: weights, and keys and values.

    On a CPU vLLM sets ``llm.kv_cache_gib`` aside; on a GPU it takes what is free, of which ``llm.max_num_seqs``
    requests of mean length need this much.
    """
    llm, size = config.llm, BYTES[dtype]
    if llm.gpus_per_engine:
        per_token = 2 * shape.layers * shape.kv_heads * shape.head_dim * size
        cache = per_token * llm.max_num_seqs * mean_tokens / MIB
    else:
        cache = llm.kv_cache_gib * 1024
    return llm.engines * (shape.parameters * size / MIB + cache)


def finetune_mib(config: Config, shape: CheckpointShape, query_tokens: float) -> float:
    """Return the memory of all training workers: weights, LoRA with gradients and Adam by ZeRO stage, activations."""
    settings = config.finetune
    size, workers = BYTES[settings.precision], settings.workers
    trained = shape.lora_parameters(settings.lora.rank, settings.lora.targets)
    split = {part: workers if settings.zero_stage >= stage else 1 for part, stage in _SHARDED_FROM.items()}
    frozen = shape.parameters * size / split["weights"]
    state = trained * _FLOAT * (1 / split["weights"] + 1 / split["gradients"] + 2 / split["moments"])
    return workers * (frozen + state + _activations(config, shape, query_tokens)) / MIB


_SHARDED_FROM: Final = {"moments": 1, "gradients": 2, "weights": 3}


def _activations(config: Config, shape: CheckpointShape, query_tokens: float) -> float:
    settings = config.finetune
    tokens = settings.micro_batch * min(query_tokens, settings.max_tokens)
    a_layer = tokens * (_ACTIVATIONS * shape.hidden + _SCORES * shape.heads * query_tokens)
    kept = tokens * shape.hidden * shape.layers + a_layer if settings.gradient_checkpointing else a_layer * shape.layers
    return kept * BYTES[settings.precision]


def training_mib(cf: CFConfig, data: Prepared, at_once: int) -> float:
    """Return the memory of CF trainings that run at the same time: tables, graph, one batch of pairs."""
    nodes = data.users + data.items
    propagated = cf.layers + 2  # every layer's output and its gradient's
    tables = nodes * cf.dim * _FLOAT * (_TABLES_OF_ADAM + propagated)
    graph = 2 * data.train * (_FLOAT + _FLOAT)
    batch = min(cf.batch_size, data.train) * (2 + cf.candidates) * cf.dim * _FLOAT
    return at_once * (tables + graph + batch) / MIB
