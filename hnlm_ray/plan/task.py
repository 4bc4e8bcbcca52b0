"""What is to be planned, and what the figures of its plan rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hnlm_ray.config import Config
from hnlm_ray.plan.known.answers import Answers
from hnlm_ray.plan.known.rates import KnownEngine
from hnlm_ray.plan.known.works import Paces, Work
from hnlm_ray.plan.measure.checkpoint_shape import CheckpointShape
from hnlm_ray.plan.measure.sampling import Texts
from hnlm_ray.plan.sizes import Prepared
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.stage import Stage

_PARAMETERS: Final = 135_000_000


@dataclass(frozen=True)
class Found:
    """What the figures of a plan are computed from."""

    answers: Mapping[str, Answers]
    texts: Mapping[str, Texts]
    engine: KnownEngine
    works: Paces
    data: Prepared
    query_tokens: float
    measured_tokens: int = 0
    """Tokens that the measurement itself took."""


@dataclass(frozen=True)
class Task:
    """What is to be planned: stages that are not fresh, on prepared data.

    ``shape`` is that of the model that answers, ``tuned`` of the one that is fine-tuned; None: not known here.
    """

    config: Config
    workspace: Workspace
    data: Prepared
    todo: Sequence[Stage]
    shape: CheckpointShape | None
    tuned: CheckpointShape | None

    @property
    def work(self) -> Work:
        """What the other stages' paces are of."""
        parameters = self.tuned.parameters if self.tuned else _PARAMETERS
        return Work(self.config, self.workspace, self.data, parameters)
