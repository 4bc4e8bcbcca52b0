"""Where a training runs, and the setting by which the C library keeps one step's memory for the next."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Final

import torch

from hnlm_ray.base.errors import InputError

TRIM_THRESHOLD: Final = -1
MMAP_THRESHOLD: Final = -3
LARGEST_FROM_HEAP: Final = 2**30
KEPT: Final = 2**31 - 1
OWN_SETTINGS: Final = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


@cache
def keep_freed_memory() -> bool:
    """Ask glibc, once a process, not to hand freed tables back to the kernel after each step; tell whether it does.

    A step allocates several tables of users + items rows. By default glibc unmaps each when it is freed, and the next
    step faults every page in again: 13% of the CPU time of a LightGCN step on Gowalla, more with larger tables. At
    most 2 GiB then stay with the process when a training ends. Another C library is left as it is, and so is a
    process whose environment sets glibc's allocator itself.
    """
    if sys.platform != "linux" or any(name in os.environ for name in OWN_SETTINGS):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGEST_FROM_HEAP)) and bool(mallopt(TRIM_THRESHOLD, KEPT))


def open_device(name: str) -> torch.device:
    """Return cpu, cuda or cuda:N; InputError for another name, or a device that isn't there."""
    kind, colon, number = name.partition(":")
    if kind not in {"cpu", "cuda"} or (colon and not number.isdecimal()):
        raise InputError(f"device {name!r} is unknown; use cpu, cuda or cuda:0")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise InputError(f"device {name!r} is not there, torch finds {torch.cuda.device_count()} CUDA devices; use cpu")
    return torch.device(name)
