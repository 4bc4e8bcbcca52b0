"""Late fusion as a training: what ranks is the model and, on top, the semantic teacher, at a weight by validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.evaluate.evaluation import Evaluation, evaluate
from hnlm_ray.cf.scoring import Scorer
from hnlm_ray.cf.teacher.fusion import FusedScores, choose_fusion, fuse
from hnlm_ray.cf.trainable import EpochReport, Stepped
from hnlm_ray.config import CFConfig


class Fused:
    """A training whose scores are the model's and ``weight`` times the teacher's (:class:`FusedScores`).

    The model is trained as without it. With ``config.fusion`` 'validation' each evaluation on validation takes the
    best weight of :data:`~hnlm_ray.cf.teacher.fusion.WEIGHTS` there by ``metric``; it is kept with the epoch's model.

    Attributes
    ----------
    inner
        What is trained.
    weight
        Of the teacher, now.

    Raises
    ------
    InputError
        The weight is to be chosen on validation and there is none.
    """

    def __init__(self, inner: Stepped, teacher: Scorer, metric: str) -> None:
        fusion = inner.config.fusion
        self.inner, self.teacher, self.metric = inner, teacher, metric
        self.chooses = fusion == "validation"
        self.weight = 0.0 if isinstance(fusion, str) else fusion
        if self.chooses and inner.data.validation is None:
            raise InputError("cf.fusion chooses its weight on validation and there is none; give a weight instead")

    @property
    def data(self) -> CFData:
        """What is trained on."""
        return self.inner.data

    @property
    def config(self) -> CFConfig:
        """How it is trained."""
        return self.inner.config

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.inner.epoch

    @property
    def skipped_pairs(self) -> int:
        """Training pairs left out."""
        return self.inner.skipped_pairs

    @property
    def finished(self) -> bool:
        """Whether a further epoch would change nothing."""
        return self.inner.finished

    def run_epoch(self) -> EpochReport:
        """Train the model for an epoch."""
        return self.inner.run_epoch()

    def scorer(self) -> FusedScores:
        """Return what ranks now."""
        return fuse(self.inner.scorer(), self.teacher, self.weight)

    def evaluate(self, split: str = "validation", cutoffs: Sequence[int] = (10, 20)) -> Evaluation:
        """Rank with the fused scores; on validation the weight is chosen first, where it is to be."""
        if split == "validation" and self.chooses:
            chosen = choose_fusion(self.inner.scorer(), self.teacher, self.data, metric=self.metric, cutoffs=cutoffs)
            self.weight = chosen.weight
        return evaluate(self.scorer(), self.data, split, cutoffs)

    def weights(self) -> dict[str, Any]:
        """Return what is learnt, and the weight."""
        return {**self.inner.weights(), "fusion": self.weight}

    def load_weights(self, weights: dict[str, Any]) -> None:
        """Take over what :meth:`weights` returned."""
        self.inner.load_weights(weights)
        self.weight = weights["fusion"]

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed training needs."""
        return {**self.inner.state_dict(), "fusion": self.weight}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken; InputError where it doesn't fit."""
        if "fusion" not in state:
            raise InputError("the saved state is of a training without late fusion; load it with cf.fusion none")
        self.inner.load_state_dict(state)
        self.weight = state["fusion"]
