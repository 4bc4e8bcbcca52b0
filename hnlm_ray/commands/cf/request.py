"""What ``hnlm cf train`` is asked for, and what of it can be refused before anything is read."""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import CFConfig
from hnlm_ray.config.loading import load_cf_config

METRICS: Final = ("recall", "ndcg", "precision", "hit_rate", "mrr", "map")


@dataclass(frozen=True)
class Request:
    """The options of the command, as they were given."""

    folder: str
    kind: Literal["ngcf", "parquet"]
    given: Mapping[str, str]
    overrides: Sequence[str]
    seed: int
    metric: str
    cutoffs: str
    fuse: str | None
    fuse_overrides: Sequence[str]
    threads: int | None
    device: str
    out: str | None
    resume: bool
    keep_scores: bool
    index: str | None


@dataclass(frozen=True)
class Plan:
    """The request with its settings read: of the model, and of a second one that is fused with it."""

    request: Request
    config: CFConfig
    second: CFConfig | None
    cutoffs: tuple[int, ...]


def plan(request: Request) -> Plan:
    """Return the settings of a request, whose folder is made; InputError where options don't go together."""
    if twice := set(request.given) & set(given_settings((), request.overrides)):
        name = min(twice)
        raise InputError(f"--{name} and --set cf.{name} name the same setting: give one of them")
    config = load_cf_config(request.given, request.overrides)
    cutoffs = parse_cutoffs(request.cutoffs, request.metric)
    second = _second(request, config)
    _check_out(request)
    if request.index is not None and config.fusion not in {"none", 0}:
        raise InputError("--faiss needs vectors, and what is fused with a teacher has none: set cf.fusion none")
    return Plan(request, config, second, cutoffs)


def given_settings(names: Iterable[str], overrides: Sequence[str]) -> list[str]:
    """Return the paths within ``cf`` that options name, each once, in order."""
    paths = (override.partition("=")[0].strip().removeprefix("cf.") for override in overrides)
    return list(dict.fromkeys((*names, *paths)))


def parse_cutoffs(text: str, metric: str) -> tuple[int, ...]:
    """Return the cut-offs of '10,20'; InputError where they are not whole numbers or lack the metric's own."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 2**31 for part in parts):
        raise InputError(f"--cutoffs {text!r} must be whole numbers from 1 on, such as 10,20")
    name, _, own = metric.partition("@")
    if name not in METRICS or own not in parts:
        near = difflib.get_close_matches(name, METRICS, 1)
        told = f"did you mean {near[0]}@{parts[-1]}?" if near else f"such as ndcg@{parts[-1]}"
        raise InputError(f"--metric {metric!r} must be one of {', '.join(METRICS)} at a cut-off of {text}, {told}")
    return tuple(sorted({int(part) for part in parts}))


def _second(request: Request, config: CFConfig) -> CFConfig | None:
    if request.fuse is None:
        if request.fuse_overrides:
            raise InputError("--fuse-set belongs to the second model: name it with --fuse")
        return None
    second = load_cf_config({"model": request.fuse}, request.fuse_overrides)
    # A model that has seen validation would win there by heart.
    if "none" in {config.validation, second.validation}:
        raise InputError("--fuse chooses its weight on validation: leave cf.validation at split, for both models")
    return second


def _check_out(request: Request) -> None:
    wanted = {"--resume": request.resume, "--keep-scores": request.keep_scores, "--faiss": request.index is not None}
    if request.out is None:
        if without := [option for option, given in wanted.items() if given]:
            raise InputError(f"{without[0]} needs a folder: name it with --out")
        return
    if request.index is not None and request.fuse is not None:
        raise InputError("--faiss needs vectors, and fused scores have none: leave one of --faiss and --fuse out")
    if request.index is not None and importlib.util.find_spec("faiss") is None:
        raise InputError("--faiss needs the package faiss, which is not installed: pip install faiss-cpu")
    try:
        os.makedirs(request.out, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {request.out} can't be made ({error.strerror}): choose another folder") from error
    if not os.access(request.out, os.W_OK):
        raise InputError(f"--out {request.out} can't be written (Permission denied): choose another folder")
