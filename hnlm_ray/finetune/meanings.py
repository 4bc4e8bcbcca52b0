"""What each row and column of the comparison on held-out users is, in words."""

from __future__ import annotations

METRICS = ("mrr", "recall@10", "recall@50", "cos_target", "cos_positive", "false_negative_rate")
MEANINGS = {
    "finetuned": "the fine-tuned LLM",
    "untuned": "the same model before training: LLM as it came, new projector and head",
    "untuned_ridge": "ridge regression from the untuned LLM's pooled states",
    "text_ridge": "ridge regression from the sentence encoder's vectors of both texts",
    "user_mean": "the mean of the user's training items",
    "cf_mlp": "an MLP on the two CF vectors, without an LLM, trained with the same loss",
    "cf_scores": "the teacher's own ranking",
    "random": "random vectors",
    "finetuned_no_text": "the fine-tuned LLM, both texts left out of the query",
    "finetuned_no_soft_tokens": "the fine-tuned LLM, both CF vectors left out of the query",
}
