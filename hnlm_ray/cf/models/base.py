"""What every trained model gives: embeddings whose dot product is the score, and what else it minimises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from torch import Tensor, nn

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.kernels.initialisation import start_tables
from hnlm_ray.config import CFConfig

TABLE: Final = ("dim", "epochs", "reg")
"""What every model with a table of embeddings reads."""
PROPAGATED: Final = (*TABLE, "layers", "precision")
"""The same of one that propagates it."""


@dataclass(frozen=True)
class ModelInputs:
    """What a model is built from.

    Parameters
    ----------
    config
        With ``init`` resolved (:func:`~hnlm_ray.cf.training.trainer.with_start`).
    start
        The stream of what is drawn once, on the CPU, so that a seed means the same start on every device.
    noise
        The stream of what is drawn in training (dropout, views, perturbations), on ``device``.
    """

    data: CFData
    config: CFConfig
    start: torch.Generator
    noise: torch.Generator
    device: torch.device


class EmbeddingModel(nn.Module):
    """A table of layer-0 embeddings, users first, and what the model makes of it.

    ``table`` is float32[users + items, dim], drawn by :func:`~hnlm_ray.cf.kernels.initialisation.start_tables`. A
    subclass overrides :meth:`forward`, and what else it needs of the rest. Scores are dot products of final embeddings,
    never squashed.

    Attributes
    ----------
    reads_settings
        The settings within ``cf`` that not every model reads, such as ``layers``; a section stands for all of it.
    plugs_in_as, must_define
        For a configuration that names a class of another package: what setting may, and what it must define.
    starts_as_lightgcn
        Whether ``init: auto`` is LightGCN's start on a large graph (:func:`~hnlm_ray.cf.training.trainer.with_start`).
    """

    plugs_in_as: ClassVar[str] = "cf.model"
    must_define: ClassVar[tuple[str, ...]] = ("forward",)
    reads_settings: ClassVar[tuple[str, ...]] = TABLE
    starts_as_lightgcn: ClassVar[bool] = False

    def __init__(self, inputs: ModelInputs) -> None:
        super().__init__()
        self.users, self.items, self.config = inputs.data.users, inputs.data.items, inputs.config
        initial = start_tables(self.config, self.users, self.items, inputs.start)
        self.table = nn.Parameter(initial.to(inputs.device))

    @property
    def width(self) -> int:
        """Length of a final embedding."""
        return self.config.dim

    def forward(self) -> Tensor:
        """Return the final embeddings, float32[users + items, width]; with noise only in training mode."""
        raise NotImplementedError

    def hops(self) -> Tensor | None:
        """Return the embeddings of layers 0..L, float32[users + items, L + 1, dim], whose mean is the final one.

        None where the final embedding is no such mean; the samplers mixgcf and dins then can't be used.
        """
        return None

    def regularised(self) -> Tensor | None:
        """Return the rows that L2 takes, float32[users + items, ...]; none: the model has no such table."""
        return self.table

    def auxiliary(self, final: Tensor, batch: Batch) -> Tensor | None:
        """Return what the model minimises beside the ranking loss on this batch, a weighted scalar; none: nothing.

        ``final`` is what :meth:`forward` returned for this step.
        """
        del final, batch
        return None

    def start_epoch(self) -> None:
        """Prepare an epoch of training, such as new views of the graph."""

    def pull_back(self, gradient: Tensor) -> Tensor | None:
        """Return the gradient of ``table`` for a gradient of the final embeddings, float32[users + items, dim].

        Only of a model whose forward is linear in ``table`` and has no other parameter: then a step needs no
        autograd. None: it has no such form. ``gradient`` may be overwritten.
        """
        del gradient
        return None

    @property
    def gives_rows(self) -> bool:
        """Whether it has :meth:`final_rows` and :meth:`pull_back_rows`."""
        return False

    def final_rows(self, nodes: Tensor) -> Tensor:
        """Return the final embeddings of ``nodes`` (int64[n], each once) alone, float32[n, width], without autograd."""
        raise NotImplementedError

    def pull_back_rows(self, nodes: Tensor, gradient: Tensor) -> Tensor:
        """Return the gradient of ``table``, float32[users + items, dim], for one of :meth:`final_rows`."""
        raise NotImplementedError

    @torch.no_grad()
    def embeddings(self) -> tuple[Tensor, Tensor]:
        """Return copies of the final embeddings without noise, float32[users, width] and float32[items, width]."""
        was_training = self.training
        self.eval()
        final = self().detach().clone()
        self.train(was_training)
        return final[: self.users], final[self.users :]
