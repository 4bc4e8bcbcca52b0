"""The comparison on held-out users as ``finetune_eval`` holds it: its rows for programs, and what they say.

What each row and column of the comparison on held-out users is, in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

METRICS = ("mrr", "recall@10", "recall@50", "cos_target", "cos_positive", "false_negative_rate")
TUNED: Final = "finetuned"
UPPER_BOUND: Final = "mining_rule"
MEANINGS = {
    TUNED: "the fine-tuned LLM",
    "untuned": "the same model before training: LLM as it came, new projector and head",
    "untuned_ridge": "ridge regression from the untuned LLM's pooled states",
    "item_vector": "the positive item's own CF vector as it is: a copy, without any training",
    "user_mean": "the mean of the user's training items",
    "cf_ridge": "ridge regression from the two CF vectors",
    "cf_mlp": "an MLP on the two CF vectors, without an LLM, trained with the same loss",
    "text_ridge": "ridge regression from the sentence encoder's vectors of both texts",
    "random": "random vectors",
    "finetuned_no_text": "the fine-tuned LLM, both texts left out of the query",
    "finetuned_no_soft_tokens": "the fine-tuned LLM, both CF vectors left out of the query",
    UPPER_BOUND: "how the targets were made, from the two CF vectors: an upper bound, no prediction",
}
NO_LLM = ("item_vector", "user_mean", "cf_ridge", "cf_mlp", "text_ridge", "random")
"""The rows that need no LLM and are predictions: what the fine-tuned LLM has to beat."""


Method = dict[str, Any]
_NAMED: Final = ("item_vector", "cf_mlp", "untuned")
_LOSSES: Final = ("held_out_loss_before", "held_out_loss_head", "held_out_loss", "held_out_loss_fall")
_NO_SEMANTICS: Final = (
    "A target is a function of the two CF vectors, which stand in the prompt: this comparison can't show semantic "
    "knowledge."
)


def methods_of(rows: Iterable[Mapping[str, Any]]) -> list[Method]:
    """Return the rows of ``finetune_eval`` for programs; a figure that does not exist is None.

    ``difference`` is the mean reciprocal rank of the fine-tuned LLM minus that of the row.
    """
    return [{"name": row["method"], **_figures(dict(row["metrics"]))} for row in rows]


def _figures(found: Mapping[str, float]) -> Method:
    return {
        **{name: found.get(name) for name in METRICS},
        "mrr_ci95": [found.get("mrr_low"), found.get("mrr_high")],
        "difference": found.get("difference"),
        "difference_ci95": [found.get("difference_low"), found.get("difference_high")],
    }


def losses_of(counts: Mapping[str, object]) -> dict[str, float]:
    """Return the held-out losses among what the fine-tuning counted."""
    return {name: value for name, value in counts.items() if name in _LOSSES and isinstance(value, int | float)}


def in_words(methods: Sequence[Method], losses: Mapping[str, float]) -> str:
    """Say how the fine-tuned LLM stands to what needs no LLM, to a copy of the item's vector and to its own start.

    It is better than a row, or behind it, only where the paired interval of the difference leaves 0 out.

    Parameters
    ----------
    methods
        As :func:`methods_of` returns them.
    losses
        As :func:`losses_of` returns them.
    """
    found = {method["name"]: method for method in methods if method["mrr"] is not None}
    if TUNED not in found:
        return "The fine-tuned LLM was not measured."
    return " ".join([*_standings(found), *_bound(found), _NO_SEMANTICS, *_fall(losses)])


def _standings(found: Mapping[str, Method]) -> list[str]:
    own = f"The fine-tuned LLM (mrr {found[TUNED]['mrr']:.3f}{_interval(found[TUNED]['mrr_ci95'], '.3f')})"
    beside = {name: row for name, row in found.items() if row["difference"] is not None}
    rows = [beside[name] for name in NO_LLM if name in beside]
    if not rows:
        return [f"{own} has no row without an LLM to be compared with."]
    best = max(rows, key=lambda row: float(row["mrr"]))
    others = [f"it {_relation(beside[name])}" for name in _NAMED if name in beside and name != best["name"]]
    return [f"{'; '.join([f'{own} {_relation(best)}, the best row that needs no LLM', *others])}."]


def _relation(row: Method) -> str:
    """Say how the fine-tuned LLM stands to a row: 'is level with item_vector (mrr .., difference .. [.., ..])'."""
    around = _interval(row["difference_ci95"], "+.3f") or "; too few users for an interval"
    return f"{standing(row)} {row['name']} (mrr {row['mrr']:.3f}, difference {row['difference']:+.3f}{around})"


def standing(row: Method) -> str:
    """Return how the fine-tuned LLM stands to a row: by the interval of their difference, and by nothing else."""
    low, high = row["difference_ci95"]
    if low is None or high is None:
        return "can't be told from"
    if low > 0:
        return "is better than"
    return "is behind" if high < 0 else "is level with"


def _interval(ends: Sequence[float | None], form: str) -> str:
    low, high = ends
    return "" if low is None or high is None else f" [{low:{form}}, {high:{form}}]"


def _bound(found: Mapping[str, Method]) -> list[str]:
    if UPPER_BOUND not in found:
        return []
    return [f"{UPPER_BOUND} (mrr {found[UPPER_BOUND]['mrr']:.3f}) is how the targets were made: the upper bound."]


def _fall(losses: Mapping[str, float]) -> list[str]:
    if not {"held_out_loss_before", "held_out_loss", "held_out_loss_fall"} <= set(losses):
        return []
    before, after, fall = (losses[f"held_out_loss{part}"] for part in ("_before", "", "_fall"))
    return [f"Held-out loss {before:.4f} -> {after:.4f} ({-fall:+.1%})."]
