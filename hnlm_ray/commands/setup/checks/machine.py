"""CPUs, memory, shared memory and GPUs of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess

import psutil

from hnlm_ray.commands.setup.checks.check import GIB, Check, at_least

_ASK_GPU = ("--query-gpu=name,memory.total", "--format=csv,noheader")
_ASK_GPU_S = 10
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  looked at, not written


def machine_checks() -> list[Check]:
    """Check what Ray and vLLM will find here."""
    return [_cpus(), _memory(), *_shared_memory(), _gpu()]


def _cpus() -> Check:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count >= 2:
        return Check("cpus", "ok", str(count))
    return Check("cpus", "warn", str(count), "an LLM on one core is slow: two or more are advised")


def _memory() -> Check:
    free = psutil.virtual_memory().available / GIB
    remedy = "8 GiB free are advised: close other programs, or lower llm.kv_cache_gib and llm.max_num_seqs"
    return at_least("memory free", free, warn_below=8, fail_below=2, remedy=remedy)


def _shared_memory() -> list[Check]:
    if not os.path.isdir(_SHARED_MEMORY):
        return []
    free = shutil.disk_usage(_SHARED_MEMORY).free / GIB
    remedy = "Ray's object store falls back to disk: in a container start it with --shm-size=2g"
    return [at_least(_SHARED_MEMORY, free, warn_below=0.6, fail_below=0, remedy=remedy)]


def _gpu() -> Check:
    tool = shutil.which("nvidia-smi")
    none = Check("gpu", "ok", "none found; not needed (CPU engines are used)")
    if tool is None:
        return none
    try:
        answer = subprocess.run([tool, *_ASK_GPU], capture_output=True, text=True, timeout=_ASK_GPU_S, check=False)  # noqa: S603  a fixed command
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("gpu", "warn", f"nvidia-smi does not answer ({error})", "check the driver, or go on without")
    names = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    if answer.returncode or not names:
        return none
    return Check("gpu", "ok", "; ".join(names), "to use it: install the `gpu` extra and set llm.gpus_per_engine=1")


def has_gpu() -> bool:
    """Tell whether nvidia-smi names a GPU of this machine."""
    found = _gpu()
    return found.state == "ok" and bool(found.remedy)
