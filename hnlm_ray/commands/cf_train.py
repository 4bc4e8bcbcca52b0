"""``hnlm cf train``: one training from a folder of interactions, without a run or a cluster."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from hnlm_ray.commands.output import Output
from hnlm_ray.config import CFConfig
from hnlm_ray.config_file import load_cf_config
from hnlm_ray.errors import InputError

if TYPE_CHECKING:
    from hnlm_ray.cf import CFData, Evaluation, Scorer, Training
    from hnlm_ray.cf.files import Loaded


@dataclass(frozen=True)
class Request:
    """What the command was asked for."""

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


@dataclass(frozen=True)
class Ranked:
    """What ranks in the end: a model, or two fused with ``weight``."""

    scorer: Scorer
    validation: Mapping[str, float]
    fused: Mapping[str, Any] | None = None


def train_alone(request: Request, output: Output) -> None:
    """Train, evaluate and answer; InputError for data or options that can't be used."""
    config = load_cf_config(request.given, request.overrides)
    cutoffs = parse_cutoffs(request.cutoffs, request.metric)
    second = _second(request, config)
    _check_out(request)
    prepare_threads(request)
    from hnlm_ray.cf.files import load_folder

    loaded = load_folder(request.folder, request.kind)
    data, held_out = with_validation(loaded.data, config, request.seed)
    training = _train(request, config, data, cutoffs)
    ranked = _fused(request, second, training, cutoffs) if second else Ranked(training.scorer, training.validation)
    answer = describe(request, config, data, training) | _figures(ranked, training.data, cutoffs, request.metric)
    answer["data"]["held_out_for_validation"] = held_out
    if request.out is not None:
        _keep(request.out, answer, ranked.scorer, loaded)
    answer["peak_rss_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    output.emit(answer, lambda console: _show(console, answer))


def parse_cutoffs(text: str, metric: str) -> tuple[int, ...]:
    """Return the cut-offs of '10,20'; InputError where they are not whole numbers or lack the metric's own."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 2**31 for part in parts):
        raise InputError(f"--cutoffs {text!r} must be whole numbers from 1 on, such as 10,20")
    name, _, own = metric.partition("@")
    if name not in METRICS or own not in parts:
        raise InputError(f"--metric {metric!r} must be one of {', '.join(METRICS)} at a cut-off of {text}, as ndcg@20")
    return tuple(sorted({int(part) for part in parts}))


METRICS = ("recall", "ndcg", "precision", "hit_rate", "mrr", "map")


def prepare_threads(request: Request) -> None:
    """Let waiting threads sleep, before torch starts any: two trainings side by side would steal each other's cores."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch

    if request.threads is not None:
        torch.set_num_threads(request.threads)
    if request.device.partition(":")[0] == "cuda" and not torch.cuda.is_available():
        raise InputError(f"--device {request.device} needs a CUDA GPU and there is none; leave it at cpu")
    if request.device.partition(":")[0] not in {"cpu", "cuda"}:
        raise InputError(f"--device {request.device!r} is unknown; use cpu or cuda")


def with_validation(data: CFData, config: CFConfig, seed: int) -> tuple[CFData, int]:
    """Return data with validation where it is asked for, and how many training pairs were held out for it."""
    from hnlm_ray.cf.files import hold_out

    if config.validation == "none" or data.validation is not None:
        return data, 0
    held = hold_out(data, seed)
    return held, len(held.validation or ())


def _second(request: Request, config: CFConfig) -> CFConfig | None:
    if request.fuse is None:
        if request.fuse_overrides:
            raise InputError("--fuse-set belongs to the second model: name it with --fuse")
        return None
    if config.validation == "none":
        raise InputError("--fuse chooses its weight on validation: leave cf.validation at split")
    return load_cf_config({"model": request.fuse}, request.fuse_overrides)


def _check_out(request: Request) -> None:
    if request.out is None:
        if request.resume:
            raise InputError("--resume goes on from a checkpoint: name its folder with --out")
        return
    try:
        os.makedirs(request.out, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {request.out} can't be made ({error.strerror}): choose another folder") from error


def _train(request: Request, config: CFConfig, data: CFData, cutoffs: tuple[int, ...]) -> Training:
    from hnlm_ray.cf import train
    from hnlm_ray.commands.cf_checkpoint import FileCheckpoints
    from hnlm_ray.commands.cf_progress import EpochProgress

    checkpoints = None
    if request.out is not None:
        checkpoints = FileCheckpoints(request.out, config, data, request.seed, resume=request.resume)
    with EpochProgress(config.model, config.epochs, request.metric) as progress:
        training = train(
            data,
            config,
            request.seed,
            metric=request.metric,
            cutoffs=cutoffs,
            on_epoch=progress.add,
            device=request.device,
            checkpoints=checkpoints,
        )
    if checkpoints is not None:
        checkpoints.keep_last()
    return training


def _fused(request: Request, second: CFConfig, training: Training, cutoffs: tuple[int, ...]) -> Ranked:
    from hnlm_ray.cf import choose_fusion, fuse

    other = _train(replace(request, out=None), second, training.data, cutoffs)
    chosen = choose_fusion(training.scorer, other.scorer, training.data, metric=request.metric, cutoffs=cutoffs)
    told = {
        "model": second.model,
        "weight": chosen.weight,
        "config": second.model_dump(mode="json"),
        "validation_of_first": training.validation,
        "validation_of_second": other.validation,
    }
    return Ranked(fuse(training.scorer, other.scorer, chosen.weight), chosen.validation, told)


def describe(request: Request, config: CFConfig, data: CFData, training: Training) -> dict[str, Any]:
    """Return what was trained on what, as JSON."""
    sizes = {name: 0 if split is None else len(split) for name, split in _splits(data).items()}
    draws = config.loss not in {"softmax", "sfcml"} and config.model not in {"ease", "ials"}
    return {
        "model": config.model,
        "sampler": config.sampler if draws else None,
        "loss": config.loss if config.model not in {"ease", "ials"} else None,
        "seed": request.seed,
        "config": config.model_dump(mode="json"),
        "data": {"users": data.users, "items": data.items, **sizes},
        "epochs": training.epochs,
        "best_epoch": training.best_epoch,
        "seconds_per_epoch": [round(seconds, 4) for seconds in training.seconds_per_epoch],
        "skipped_pairs": training.skipped_pairs,
    }


def _splits(data: CFData) -> dict[str, Any]:
    return {"train": data.train, "validation": data.validation, "test": data.test}


def _figures(ranked: Ranked, data: CFData, cutoffs: tuple[int, ...], metric: str) -> dict[str, Any]:
    """Read test, once."""
    from hnlm_ray.cf import evaluate, measure_slices

    figures: dict[str, Any] = {"validation": dict(ranked.validation), "fusion": ranked.fused}
    if data.test is None or len(data.test) == 0:
        return figures | {"test": {}, "catalogue": {}, "slices": {}}
    found: Evaluation = evaluate(ranked.scorer, data, "test", cutoffs)
    slices = measure_slices(data, found, metric=metric, cutoff=max(cutoffs))
    return figures | {"test": found.means, "catalogue": found.catalogue, "slices": slices}


def _keep(folder: str, answer: Mapping[str, Any], scorer: Scorer, loaded: Loaded) -> None:
    from hnlm_ray.commands.cf_checkpoint import keep_result

    keep_result(folder, answer, scorer, loaded)


def _show(console: Any, answer: Mapping[str, Any]) -> None:  # noqa: ANN401 rich's own
    what = ", ".join(str(answer[name]) for name in ("model", "sampler", "loss") if answer[name])
    seconds = sum(answer["seconds_per_epoch"])
    sizes = answer["data"]
    console.print(f"{what} on {sizes['users']} users, {sizes['items']} items, {sizes['train']} training pairs")
    if sizes["held_out_for_validation"]:
        console.print(f"  {sizes['held_out_for_validation']} training pairs were held out for validation")
    if answer["fusion"]:
        console.print(f"  fused with {answer['fusion']['model']} at weight {answer['fusion']['weight']}")
    console.print(f"  epoch {answer['best_epoch']} of {answer['epochs']}, {seconds:.1f} s of training")
    for split in ("validation", "test"):
        figures = "  ".join(f"{name} {value:.4f}" for name, value in answer[split].items())
        console.print(f"  {split}: {figures or 'none'}")
    sys.stdout.flush()
