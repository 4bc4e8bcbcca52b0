"""The guard: holds back candidates that are believed to be false negatives, from training positives and text alone."""

from hnlm_ray.cf.guard.logits import false_negative_logits, fit_false_negatives
from hnlm_ray.cf.guard.rule import Guard

__all__ = ["Guard", "false_negative_logits", "fit_false_negatives"]
