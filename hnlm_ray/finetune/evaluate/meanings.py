"""What each row and column of the comparison on held-out users is, in words."""

from __future__ import annotations

from typing import Final

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
