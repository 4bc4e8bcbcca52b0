"""The names of machines: rates of one say nothing of another."""

from __future__ import annotations

import os
import platform
from functools import cache

from hnlm_ray.config import Config


def machine_name(config: Config) -> str:
    """Name what a run computes on: the processor with its cores, and the GPUs if the engines use any.

    Of a cluster that is joined only the address is known here.
    """
    if config.ray.address != "local":
        return f"the cluster at {config.ray.address}"
    cpu = f"{_processor()} x {os.cpu_count() or 1}"
    return f"{_gpus()}, {cpu}" if config.llm.gpus_per_engine else cpu


@cache
def _processor() -> str:
    """Return the processor's name as Linux tells it; elsewhere what Python knows of it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            names = [line.partition(":")[2].strip() for line in stream if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


@cache
def _gpus() -> str:
    import torch

    count = torch.cuda.device_count()
    return f"{torch.cuda.get_device_name(0)} x {count}" if count else "no GPU"
