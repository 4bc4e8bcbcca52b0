"""What ``hnlm cf train`` answers, as JSON and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console

from hnlm_ray.commands.cf.request import SOLVED, Plan

if TYPE_CHECKING:
    from hnlm_ray.cf import CFData, Scorer, Training

WITHOUT_NEGATIVES = frozenset({"softmax", "sfcml"})


def describe(planned: Plan, data: CFData, training: Training, held_out: int) -> dict[str, Any]:
    """Return what was trained on what; names that the model doesn't use are null."""
    config = planned.config
    solved = config.model in SOLVED
    sizes = {"train": data.train, "validation": data.validation, "test": data.test}
    return {
        "model": config.model,
        "sampler": None if solved or config.loss in WITHOUT_NEGATIVES else config.sampler,
        "loss": None if solved else config.loss,
        "seed": planned.request.seed,
        "config": config.model_dump(mode="json"),
        "data": {
            "users": data.users,
            "items": data.items,
            **{name: 0 if split is None else len(split) for name, split in sizes.items()},
            "held_out_for_validation": held_out,
        },
        "epochs": training.epochs,
        "best_epoch": training.best_epoch,
        "seconds_per_epoch": [round(seconds, 4) for seconds in training.seconds_per_epoch],
        "skipped_pairs": training.skipped_pairs,
    }


def figures(scorer: Scorer, data: CFData, cutoffs: tuple[int, ...], metric: str) -> dict[str, Any]:
    """Return what test says; it is read here, once. Without a test split all is empty."""
    from hnlm_ray.cf import evaluate, measure_slices

    if data.test is None:
        return {"test": {}, "catalogue": {}, "slices": {}}
    found = evaluate(scorer, data, "test", cutoffs)
    slices = measure_slices(data, found, metric=metric, cutoff=int(metric.partition("@")[2]))
    return {"test": found.means, "catalogue": found.catalogue, "slices": slices}


def show(console: Console, answer: Mapping[str, Any]) -> None:
    """Print the answer for a reader."""
    what = ", ".join(str(answer[name]) for name in ("model", "sampler", "loss") if answer[name])
    sizes = answer["data"]
    console.print(f"{what}: {sizes['users']} users, {sizes['items']} items, {sizes['train']} training pairs")
    if sizes["held_out_for_validation"]:
        console.print(f"  {sizes['held_out_for_validation']} of the training pairs given were held out for validation")
    if answer["skipped_pairs"]:
        console.print(f"  {answer['skipped_pairs']} training pairs were left out: their users have every item")
    seconds = sum(answer["seconds_per_epoch"])
    console.print(f"  epoch {answer['best_epoch']} of {answer['epochs']}; {seconds:.1f} s of training")
    if answer["fusion"]:
        console.print(f"  fused with {answer['fusion']['model']} at weight {answer['fusion']['weight']:g}")
    for split in ("validation", "test"):
        told = "  ".join(f"{name} {value:.4f}" for name, value in answer[split].items())
        console.print(f"  {split}: {told or 'none'}")
