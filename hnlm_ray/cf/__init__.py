"""Collaborative filtering in pure PyTorch: models, negative samplers, losses, training, evaluation."""

from hnlm_ray.base.errors import DivergedError
from hnlm_ray.cf.closed_form import SOLVED
from hnlm_ray.cf.data.cf_data import CFData, with_held_out_in_train, with_validation_in_train
from hnlm_ray.cf.data.controls import (
    facts_pool,
    item_vectors,
    random_pool,
    random_vectors,
    shuffled_evidence,
    shuffled_pool,
    shuffled_text,
    shuffled_vectors,
    teacher_vectors,
)
from hnlm_ray.cf.data.judgements import Judgements
from hnlm_ray.cf.data.pair_vectors import PairVectors
from hnlm_ray.cf.data.pool import NegativePool
from hnlm_ray.cf.data.positives import PairWeights, Positives
from hnlm_ray.cf.data.unobserved import UnobservedItems
from hnlm_ray.cf.evaluate.evaluation import Evaluation, evaluate
from hnlm_ray.cf.evaluate.ranking import top_items
from hnlm_ray.cf.evaluate.slices import found_test_rows, measure_slices
from hnlm_ray.cf.guard import false_negative_logits, fit_false_negatives
from hnlm_ray.cf.kernels.adapter import Adapter
from hnlm_ray.cf.kernels.gram import ease_weights
from hnlm_ray.cf.kernels.top_k import top_k
from hnlm_ray.cf.models import MODELS, EmbeddingModel, ModelInputs
from hnlm_ray.cf.objectives import LOSSES
from hnlm_ray.cf.samplers import SAMPLERS, Batch, HopNegatives, Negatives, Sampler, SamplerInputs
from hnlm_ray.cf.samplers.candidates import CandidateSampler
from hnlm_ray.cf.scoring import EmbeddingScores, Scorer
from hnlm_ray.cf.teacher.fusion import Fusion, choose_fusion, fuse
from hnlm_ray.cf.trainable import EpochReport, Stepped
from hnlm_ray.cf.training.hardness import Hardness, measure_hardness, measure_hardness_now
from hnlm_ray.cf.training.train import Training, open_training, train
from hnlm_ray.cf.training.trainer import Trainer

__all__ = [
    "LOSSES",
    "MODELS",
    "SAMPLERS",
    "SOLVED",
    "Adapter",
    "Batch",
    "CFData",
    "CandidateSampler",
    "DivergedError",
    "EmbeddingModel",
    "EmbeddingScores",
    "EpochReport",
    "Evaluation",
    "Fusion",
    "Hardness",
    "HopNegatives",
    "Judgements",
    "ModelInputs",
    "NegativePool",
    "Negatives",
    "PairVectors",
    "PairWeights",
    "Positives",
    "Sampler",
    "SamplerInputs",
    "Scorer",
    "Stepped",
    "Trainer",
    "Training",
    "UnobservedItems",
    "choose_fusion",
    "ease_weights",
    "evaluate",
    "facts_pool",
    "false_negative_logits",
    "fit_false_negatives",
    "found_test_rows",
    "fuse",
    "item_vectors",
    "measure_hardness",
    "measure_hardness_now",
    "measure_slices",
    "open_training",
    "random_pool",
    "random_vectors",
    "shuffled_evidence",
    "shuffled_pool",
    "shuffled_text",
    "shuffled_vectors",
    "teacher_vectors",
    "top_items",
    "top_k",
    "train",
    "with_held_out_in_train",
    "with_validation_in_train",
]
