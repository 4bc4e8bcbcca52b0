"""The sizes of an LLM, read from its checkpoint's headers: no weight is loaded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hnlm_ray.base.errors import InputError
from hnlm_ray.llm.models import EMBEDDED, TINY, fetch_models, fetch_tiny, model_path

_LARGEST_CONFIG = 2**20
Size = Annotated[int, Field(ge=1, le=2**31)]


class _Sizes(BaseModel):
    """The part of config.json that sizes attention and activations."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    hidden_size: Size
    num_hidden_layers: Size
    num_attention_heads: Size
    num_key_value_heads: Size | None = None
    head_dim: Size | None = None


@dataclass(frozen=True)
class CheckpointShape:
    """An LLM's sizes; ``tensors``: the shape of each weight by its name."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    tensors: Mapping[str, tuple[int, ...]]

    @property
    def parameters(self) -> int:
        """Numbers in all tensors."""
        return sum(map(math.prod, self.tensors.values()))

    def lora_parameters(self, rank: int, targets: tuple[str, ...]) -> int:
        """Return the numbers that LoRA adds to the layers of these names."""
        wanted = (shape for name, shape in self.tensors.items() if _layer(name) in targets and len(shape) == 2)
        return sum(rank * (shape[0] + shape[1]) for shape in wanted)


def _layer(tensor: str) -> str:
    return tensor.removesuffix(".weight").rpartition(".")[2]


def read_checkpoint_shape(name: str) -> CheckpointShape | None:
    """Read the sizes of ``llm.model``; None where its files are not on this machine (a hub id).

    Raises
    ------
    InputError
        When the files are there and can't be read.
    """
    folder = _folder(name)
    if not (folder / "config.json").is_file():
        return None
    try:
        sizes = _read_sizes(folder / "config.json")
        tensors = _read_tensors(folder)
    except (OSError, ValueError, ValidationError) as error:
        raise InputError(
            f"the checkpoint of model '{name}' can't be read ({type(error).__name__}): check its config.json and "
            "*.safetensors"
        ) from error
    kv_heads = sizes.num_key_value_heads or sizes.num_attention_heads
    head_dim = sizes.head_dim or sizes.hidden_size // sizes.num_attention_heads
    return CheckpointShape(
        sizes.num_hidden_layers, sizes.hidden_size, sizes.num_attention_heads, kv_heads, head_dim, tensors
    )


def _folder(name: str) -> Path:
    made = {EMBEDDED: fetch_models, TINY: fetch_tiny}
    return made[name]() if name in made else Path(model_path(name))


def _read_sizes(path: Path) -> _Sizes:
    if path.stat().st_size > _LARGEST_CONFIG:
        raise ValueError("config.json is too large")
    tree = json.loads(path.read_bytes())
    inner = tree.get("text_config") if isinstance(tree, dict) else None  # of models that see pictures too
    return _Sizes.model_validate(inner if isinstance(inner, dict) else tree)


def _read_tensors(folder: Path) -> dict[str, tuple[int, ...]]:
    from safetensors import SafetensorError, safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    try:
        for file in sorted(folder.glob("*.safetensors")):
            with safe_open(file, framework="np") as weights:
                shapes |= {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118  no dict
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if not shapes:
        raise ValueError("there are no weights")
    return shapes
