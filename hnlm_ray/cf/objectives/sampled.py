"""Sampled softmax: a positive against drawn negatives, or against the other positives of its batch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from hnlm_ray.cf.gather import gather_rows
from hnlm_ray.cf.losses import sampled_softmax, shared_softmax
from hnlm_ray.cf.objectives.base import Objective, ObjectiveInputs, Step
from hnlm_ray.cf.objectives.catalogue import regularisation
from hnlm_ray.cf.samplers import Negatives, SharedNegatives
from hnlm_ray.errors import InputError

SAMPLERS = ("rns", "pns", "in_batch")


class SampledSoftmaxObjective(Objective):
    """Softmax against ``config.softmax.negatives`` items of sampler rns or pns, or in-batch (sampler in_batch)."""

    def __init__(self, inputs: ObjectiveInputs) -> None:
        super().__init__(inputs)
        self.settings = self.config.softmax
        self.cosine = self.settings.similarity == "cosine"
        if self.config.sampler not in SAMPLERS:
            raise InputError(
                f"cf.loss 'sampled_softmax' draws by {', '.join(SAMPLERS)}, not {self.config.sampler!r}; "
                "choose one of these samplers"
            )

    def __call__(self, step: Step) -> Tensor:
        """Return the loss of the batch, a scalar."""
        users, batch, negatives = self.data.users, step.batch, step.negatives
        final = functional.normalize(step.final, dim=1) if self.cosine else step.final
        user, positive = gather_rows(final, batch.users, users + batch.items)
        temperature = self.settings.temperature
        if isinstance(negatives, SharedNegatives):
            shared = negatives.log_q if self.settings.log_q else None
            loss = shared_softmax(user, positive, shared, negatives.allowed, temperature)
        else:
            assert isinstance(negatives, Negatives)  # noqa: S101 rns and pns give these
            log_q = self._correction(negatives)
            loss = sampled_softmax(user, positive, final[users:], negatives.items, log_q=log_q, temperature=temperature)
        return loss + regularisation(self, step)

    def _correction(self, negatives: Negatives) -> tuple[Tensor, Tensor] | None:
        if not self.settings.log_q or negatives.log_q is None or negatives.positive_log_q is None:
            return None
        return negatives.positive_log_q, negatives.log_q
