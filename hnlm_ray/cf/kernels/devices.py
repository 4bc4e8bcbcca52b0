"""Where a training runs."""

from __future__ import annotations

import torch

from hnlm_ray.base.errors import InputError


def open_device(name: str) -> torch.device:
    """Return cpu, cuda or cuda:N; InputError for another name, or a device that isn't there."""
    kind, colon, number = name.partition(":")
    if kind not in {"cpu", "cuda"} or (colon and not number.isdecimal()):
        raise InputError(f"device {name!r} is unknown; use cpu, cuda or cuda:0")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise InputError(f"device {name!r} is not there, torch finds {torch.cuda.device_count()} CUDA devices; use cpu")
    return torch.device(name)
