"""Settings and states that don't fit together are refused, not ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from torch import Tensor

from hnlm_ray.cf.losses import PAIR_LOSSES
from hnlm_ray.config import CFConfig
from hnlm_ray.errors import InputError

CANDIDATE_SAMPLERS: Final = ("dns", "dns_mn", "mixgcf", "dins", "ahns")
"""Samplers that choose among candidates: their choice can be guarded, their candidates can come from a pool."""


def reject_ignored_settings(config: CFConfig) -> None:
    """Raise InputError where a setting would change nothing, such as a guard without candidates."""
    _reject_settings_of_candidates(config)
    if config.graph and config.model != "lightgcn":
        raise InputError(f"cf.graph {config.graph} is part of lightgcn, not of {config.model!r}; use lightgcn or 0")
    if config.tiers and (config.loss not in PAIR_LOSSES or config.sampler in {"mixgcf", "dins"}):
        raise InputError(
            f"cf.tiers {config.tiers} ranks above a pair's own negatives, and loss {config.loss!r} with sampler "
            f"{config.sampler!r} has none that are items; use bpr or hinge with another sampler, or set it 0"
        )
    if config.bias and config.model != "mf":
        raise InputError(f"cf.bias is part of mf, not of {config.model!r}; use mf or set it false")
    if config.precision != "float32" and config.model == "mf":
        raise InputError("cf.precision is that of a propagation and mf has none; use float32 or another model")
    if config.model in {"sgl", "simgcl", "xsimgcl"} and not config.layers:
        raise InputError(f"cf.layers 0 leaves {config.model!r} no graph to take two views of; use 1 or more")
    if config.model == "xsimgcl" and config.ssl.layer > config.layers:
        raise InputError(
            f"cf.ssl.layer {config.ssl.layer} is beyond the last of cf.layers {config.layers}; choose one up to that"
        )
    if config.loss in {"softmax", "sfcml"} and config.sampler != "rns":
        raise InputError(
            f"cf.loss {config.loss!r} takes the whole catalogue and draws nothing by {config.sampler!r}; "
            "leave cf.sampler at rns"
        )
    if config.softmax.distill and config.loss != "softmax":
        raise InputError(f"cf.softmax.distill is part of loss softmax, not of {config.loss!r}; use softmax or set it 0")


def _reject_settings_of_candidates(config: CFConfig) -> None:
    sampled_by = config.base_sampler if config.sampler in {"pool", "vectors"} else config.sampler
    if sampled_by in CANDIDATE_SAMPLERS:
        return
    told = f"the candidates of {', '.join(CANDIDATE_SAMPLERS)}, not {sampled_by!r}; use one of these or 0"
    if config.guard:
        raise InputError(f"cf.guard {config.guard} guards {told}")
    if config.pool_share:
        raise InputError(f"cf.pool_share {config.pool_share} is a share of {told}")


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
