"""What ``hnlm cf train`` answers, as JSON and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from hnlm_ray.commands.cf.request import Plan

if TYPE_CHECKING:
    from hnlm_ray.cf import CFData, Scorer, Training


def describe(planned: Plan, data: CFData, training: Training, held_out: int) -> dict[str, Any]:
    """Return what was trained on what; names that the model doesn't use are null."""
    from hnlm_ray.cf.training.settings_read import unread_settings

    config = planned.config
    unused = unread_settings(config, ("sampler", "loss"))
    sizes = {"train": data.train, "validation": data.validation, "test": data.test}
    return {
        "model": config.model,
        "sampler": None if "sampler" in unused else config.sampler,
        "loss": None if "loss" in unused else config.loss,
        "seed": planned.request.seed,
        "config": config.model_dump(mode="json"),
        "init": None if unread_settings(config, ("init",)) else training.trainer.config.init,
        "data": {
            "users": data.users,
            "items": data.items,
            **{name: 0 if split is None else len(split) for name, split in sizes.items()},
            "held_out_for_validation": held_out,
        },
        "epochs": training.epochs,
        "best_epoch": training.best_epoch,
        "seconds_per_epoch": rounded(training.seconds_per_epoch),
        "skipped_pairs": training.skipped_pairs,
    }


def rounded(seconds: Sequence[float]) -> list[float]:
    """Return seconds to a tenth of a millisecond."""
    return [round(value, 4) for value in seconds]


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
    for name in ("validation", "test", "catalogue"):
        for line in _by_cutoff(answer.get(name) or {}):
            console.print(f"  {name:<10}  {line}")


def _by_cutoff(figures: Mapping[str, float]) -> list[str]:
    """Return a line a cut-off: `@20  recall 0.1824  ndcg 0.1547 ...`."""
    lines: dict[str, list[str]] = {}
    for name, value in figures.items():
        what, _, cutoff = name.partition("@")
        lines.setdefault(cutoff, []).append(f"{what} {value:.4f}")
    return [f"@{cutoff:<4} {'  '.join(parts)}" for cutoff, parts in lines.items()]
