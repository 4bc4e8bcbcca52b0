"""Collaborative filtering in pure PyTorch: models, negative samplers, losses, training, evaluation."""

from hnlm_ray.cf.controls import random_pool, shuffled_pool
from hnlm_ray.cf.data import CFData, with_validation_in_train
from hnlm_ray.cf.errors import DivergedError
from hnlm_ray.cf.evaluation import Evaluation, evaluate
from hnlm_ray.cf.losses import LOSSES
from hnlm_ray.cf.models import MODELS
from hnlm_ray.cf.pool import NegativePool
from hnlm_ray.cf.positives import Positives
from hnlm_ray.cf.ranking import top_items, top_k
from hnlm_ray.cf.samplers import SAMPLERS
from hnlm_ray.cf.trainer import EpochReport, Trainer
from hnlm_ray.cf.training import Training, train

__all__ = [
    "LOSSES",
    "MODELS",
    "SAMPLERS",
    "CFData",
    "DivergedError",
    "EpochReport",
    "Evaluation",
    "NegativePool",
    "Positives",
    "Trainer",
    "Training",
    "evaluate",
    "random_pool",
    "shuffled_pool",
    "top_items",
    "top_k",
    "train",
    "with_validation_in_train",
]
