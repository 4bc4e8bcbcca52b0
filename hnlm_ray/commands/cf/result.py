"""What ``hnlm cf train --out`` leaves at its end: vectors or scores, ids, figures.

What ``hnlm cf train`` answers, as JSON and in words.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from hnlm_ray.base.errors import InputError
from hnlm_ray.commands.cf.request import Plan, Request

if TYPE_CHECKING:
    from hnlm_ray.cf import CFData, Scorer, Training
    from hnlm_ray.cf.files import Loaded


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


def keep_result(request: Request, answer: Mapping[str, Any], scorer: Scorer, loaded: Loaded) -> None:
    """Write the model's vectors where it has some, and what else was asked for; ``result.json`` comes last.

    InputError where a file can't be written.
    """
    from hnlm_ray.cf import EmbeddingScores
    from hnlm_ray.cf.files import export_index, save_scores

    folder = request.out or "."
    if isinstance(scorer, EmbeddingScores):
        _save_array(os.path.join(folder, "user_embeddings.npy"), scorer.user_embeddings.cpu().numpy())
        _save_array(os.path.join(folder, "item_embeddings.npy"), scorer.item_embeddings.cpu().numpy())
    if request.keep_scores:
        _replaced(os.path.join(folder, "scores.npy"), lambda path: save_scores(scorer, loaded.data.users, path))
    if (index := request.index) is not None:
        _replaced(os.path.join(folder, "items.faiss"), lambda path: export_index(scorer, path, index))
    for name, ids in (("user", loaded.user_ids), ("item", loaded.item_ids)):
        if ids is not None:
            _save_ids(os.path.join(folder, f"{name}_ids.parquet"), name, ids)
    _replaced(os.path.join(folder, "result.json"), lambda path: _save_json(path, answer))


def _replaced(path: str, write: Callable[[str], None]) -> None:
    """Write beside a file and put it in its place whole."""
    fresh = f"{path}.part"
    try:
        write(fresh)
        os.replace(fresh, path)
    except OSError as error:
        raise InputError(f"{path} can't be written ({error.strerror}): choose another --out") from error


def _save_array(path: str, array: Any) -> None:  # noqa: ANN401 numpy is not loaded yet
    import numpy as np

    def write(fresh: str) -> None:
        with open(fresh, "wb") as stream:
            np.save(stream, array, allow_pickle=False)

    _replaced(path, write)


def _save_ids(path: str, name: str, ids: Any) -> None:  # noqa: ANN401 pyarrow is untyped
    import pyarrow as pa
    from pyarrow import parquet

    _replaced(path, lambda fresh: parquet.write_table(pa.table({name: ids}), fresh))


def _save_json(path: str, answer: Mapping[str, Any]) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(answer, stream, indent=1, allow_nan=False)
