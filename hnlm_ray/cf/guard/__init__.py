"""The guard: holds back candidates that are believed to be false negatives, from training positives and text alone."""

from hnlm_ray.cf.guard.logits import MOST_CELLS, false_negative_logits
from hnlm_ray.cf.guard.rule import Guard

__all__ = ["MOST_CELLS", "Guard", "false_negative_logits"]
