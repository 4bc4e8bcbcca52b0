"""The general step: whatever the model, the sampler and the loss, autograd finds the gradient."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.kernels.optimisers import dense_optimiser
from hnlm_ray.cf.models import EmbeddingModel
from hnlm_ray.cf.objectives import Objective, Step
from hnlm_ray.cf.objectives.adapted import AdaptedNegatives
from hnlm_ray.cf.samplers import Sampler


class AutogradSteps:
    """Steps of the ranking loss, L2 and the model's own terms."""

    def __init__(
        self,
        model: EmbeddingModel,
        sampler: Sampler | None,
        objective: Objective,
        adapted: AdaptedNegatives | None,
    ) -> None:
        self.model, self.sampler, self.objective = model, sampler, objective
        if sampler is not None and sampler.reads == "hops" and model.hops() is None:
            raise InputError(
                f"cf.sampler {model.config.sampler!r} mixes layers and model {model.config.model!r} has none whose "
                "mean it is; use mf or lightgcn, without bias and item graph"
            )
        modules: list[nn.Module] = [model] if adapted is None else [model, adapted.adapter]
        parameters = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
        self.optimiser = dense_optimiser(parameters, model.config)

    def step(self, batch: Batch) -> Tensor:
        """Take one step and return the loss, a scalar."""
        self.optimiser.zero_grad()
        final, hops = self._forward()
        negatives = None
        if self.sampler is not None:
            read = final if hops is None else hops
            negatives = self.sampler.sample(batch, read.detach())
        loss = self.objective(Step(final, hops, batch, negatives))
        extra = self.model.auxiliary(final, batch)
        loss = loss if extra is None else loss + extra
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves Tensor.backward unannotated
        self.optimiser.step()
        return loss.detach()

    def _forward(self) -> tuple[Tensor, Tensor | None]:
        if self.sampler is None or self.sampler.reads != "hops":
            return self.model(), None
        hops = self.model.hops()
        assert hops is not None  # noqa: S101 the constructor made sure
        return hops.mean(1), hops

    def set_lr(self, lr: float) -> None:
        """Take another learning rate."""
        for group in self.optimiser.param_groups:
            group["lr"] = lr

    def end_epoch(self) -> None:
        """Nothing is left to do: every step is complete."""

    def state_dict(self) -> dict[str, Any]:
        """Return the optimiser's state."""
        return self.optimiser.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a copy."""
        # PyTorch would keep the tensors themselves: two trainings from one state would write into each other's moments.
        self.optimiser.load_state_dict(copy.deepcopy(state))
