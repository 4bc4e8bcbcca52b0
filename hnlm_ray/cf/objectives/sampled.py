"""Sampled softmax: a positive against drawn negatives, or against the other positives of its batch."""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.kernels.rows import gather_rows, unit_rows
from hnlm_ray.cf.losses import sampled_softmax, shared_softmax
from hnlm_ray.cf.objectives.base import Objective, ObjectiveInputs, Step
from hnlm_ray.cf.objectives.catalogue import COSINE_SETTINGS, regularisation
from hnlm_ray.cf.samplers import SAMPLERS, Negatives, SharedNegatives, sampler_class


class SampledSoftmaxObjective(Objective):
    """Softmax against ``config.softmax.negatives`` items of sampler rns or pns, or in-batch (sampler in_batch)."""

    reads_settings = (*COSINE_SETTINGS, "softmax.negatives", "softmax.log_q")

    def __init__(self, inputs: ObjectiveInputs) -> None:
        super().__init__(inputs)
        self.settings = self.config.softmax
        self.cosine, self.magnitude = self.settings.similarity == "cosine", self.settings.magnitude
        if not sampler_class(self.config.sampler).for_sampled_softmax:
            fit = ", ".join(name for name, sampler in SAMPLERS.items() if sampler.for_sampled_softmax)
            raise InputError(
                f"cf.loss 'sampled_softmax' draws by {fit}, not {self.config.sampler!r}; choose one of these samplers"
            )

    def __call__(self, step: Step) -> Tensor:
        """Return the loss of the batch, a scalar."""
        batch, negatives, temperature = step.batch, step.negatives, self.settings.temperature
        of_users, of_items = torch.split(step.final, [self.data.users, self.data.items])
        (user,) = gather_rows(of_users, batch.users)
        if isinstance(negatives, SharedNegatives):
            (item,) = gather_rows(of_items, batch.items)
            shared = negatives.log_q if self.settings.log_q else None
            loss = shared_softmax(self._unit(user), self._unit(item), shared, negatives.allowed, temperature)
        else:
            assert isinstance(negatives, Negatives)  # noqa: S101 rns and pns give these
            items, log_q = self._unit(of_items), self._correction(negatives)
            (positive,) = gather_rows(items, batch.items)
            rows = self._unit(user), positive, items
            loss = sampled_softmax(*rows, negatives.items, log_q=log_q, temperature=temperature)
        return loss + regularisation(self, step)

    def _unit(self, rows: Tensor) -> Tensor:
        return unit_rows(rows) if self.cosine else rows

    def _correction(self, negatives: Negatives) -> tuple[Tensor, Tensor] | None:
        if not self.settings.log_q or negatives.log_q is None or negatives.positive_log_q is None:
            return None
        return negatives.positive_log_q, negatives.log_q
