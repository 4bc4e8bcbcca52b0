"""Losses as functions of scores and rows; what a training minimises with them is in :mod:`hnlm_ray.cf.objectives`."""

from hnlm_ray.cf.losses.catalogue import catalogue_gradients, catalogue_loss, sfcml_block, softmax_block
from hnlm_ray.cf.losses.pairwise import (
    PAIR_LOSSES,
    PairLoss,
    alignment,
    bpr,
    contrastive,
    hinge,
    l2,
    leads,
    mean_over_pairs,
)
from hnlm_ray.cf.losses.sampled import sampled_softmax, shared_softmax

__all__ = [
    "PAIR_LOSSES",
    "PairLoss",
    "alignment",
    "bpr",
    "catalogue_gradients",
    "catalogue_loss",
    "contrastive",
    "hinge",
    "l2",
    "leads",
    "mean_over_pairs",
    "sampled_softmax",
    "sfcml_block",
    "shared_softmax",
    "softmax_block",
]
