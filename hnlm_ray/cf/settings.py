"""Seeds and states that don't fit a training are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import CFConfig


def check_seed(seed: int) -> None:
    """Raise InputError for anything but a whole number from 0 on."""
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed {seed!r} must be a whole number from 0 on")


def trained_by(config: CFConfig) -> dict[str, Any]:
    """Return the settings that a state belongs to, also where its tensors would fit others."""
    found = {name: getattr(config, name) for name in ("model", "layers", "init", "sampler", "loss", "optimiser")}
    if config.init == "normal":
        found["init_std"] = config.init_std
    if config.optimiser == "adam":
        found["adam"] = config.adam.model_dump(mode="json")
    return found


def check_trained_by(config: CFConfig, state: Mapping[str, Any]) -> None:
    """Raise InputError where a saved state is none of a training by gradients, or one by other settings."""
    if missing := {"trained_by", "epoch", "model", "optimiser", "sampler", "generators"} - state.keys():
        raise InputError(f"the saved state lacks {', '.join(sorted(missing))}; load what state_dict returned")
    for name, now in trained_by(config).items():
        before = state["trained_by"].get(name)
        if name not in state["trained_by"]:
            raise InputError(
                f"the saved state is of a version that had no cf.{name} (this training has {now!r}); start anew"
            )
        if before != now:
            raise InputError(
                f"the saved state was trained by cf.{name} {before!r}, this training has {now!r}; give the same"
            )


def check_state(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Raise InputError where a saved state has other tensors, or of other shapes, than the model."""
    if own.keys() != given.keys():
        raise InputError(f"the saved model has {sorted(given)}, this one {sorted(own)}; load it into the same model")
    for name, tensor in own.items():
        if tensor.shape != given[name].shape:
            raise InputError(
                f"the saved {name!r} is {list(given[name].shape)} and this model's {list(tensor.shape)}; "
                "load it with the same data, cf.dim and cf.layers"
            )
