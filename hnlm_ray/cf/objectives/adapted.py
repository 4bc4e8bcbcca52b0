"""Hard negatives from pair vectors through the adapter, and what trains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.pair_vectors import PairVectors
from hnlm_ray.cf.kernels.adapter import Adapter, parameters_of
from hnlm_ray.cf.kernels.initialisation import start_deviation
from hnlm_ray.cf.losses import alignment
from hnlm_ray.cf.samplers import Batch, Negatives
from hnlm_ray.config import CFConfig

# Which of the two losses that see e_hard has its gradient pass on to the adapter.
SEEN_BY_ADAPTER: Final = {"joint", "adversarial"}


@dataclass(frozen=True)
class Hard:
    """e_hard of the batch's pairs that have a vector.

    ``pairs`` int64[n], which of the batch; ``ranking`` and ``contrastive`` float32[n, d] are the same
    values, as each loss sees them: the gradient to the adapter passes, is reversed or is cut.
    """

    pairs: Tensor
    ranking: Tensor
    contrastive: Tensor


class AdaptedNegatives:
    """The adapter of one training, the vectors it reads and the items it is aligned by; ``width`` is the model's.

    ``adapter_training`` decides who trains it. ``joint``: the ranking and contrastive loss, and the
    alignment where it has a weight (paper). ``alignment``: the alignment alone. ``adversarial``: the
    alignment, and the ranking loss with its gradient reversed (Ganin and Lempitsky, ICML 2015), so that
    it makes the negative harder, not easier. ``frozen``: nothing; the alignment is left out.

    Raises
    ------
    InputError
        The data has no vectors; an alignment is asked for or needed and its weight is 0 or there are no anchors.
    """

    def __init__(
        self, data: CFData, config: CFConfig, width: int, generator: torch.Generator, device: torch.device
    ) -> None:
        vectors = _alignable(data, config)
        self.config, self.users, self.training = config, data.users, config.adapter_training
        self.vectors = torch.from_numpy(vectors.vectors).to(device)
        k, attention = self.vectors.shape[1], config.adapter_attention
        deviation = start_deviation(config, data.items)
        adapter = Adapter(k, width, config.adapter_hidden, generator, deviation=deviation, attention=attention)
        self.adapter = adapter.to(device).requires_grad_(self.training != "frozen")
        self.start = parameters_of(self.adapter)
        self.aligns = config.alignment > 0 and self.training != "frozen"
        if self.aligns and vectors.anchors is not None:
            self.anchors = torch.from_numpy(vectors.anchors).to(device)
            self.anchored = torch.from_numpy(vectors.anchored_items(data.items)).to(device)

    def hard(self, negatives: Negatives) -> Hard:
        """Return e_hard = adapter(v_ui) of the pairs that have a vector."""
        rows = negatives.vector_rows
        assert rows is not None  # noqa: S101 the vector sampler names them
        pairs = (rows >= 0).nonzero().squeeze(1)
        with torch.set_grad_enabled(self.training in SEEN_BY_ADAPTER):
            hard: Tensor = self.adapter(self.vectors.index_select(0, rows[pairs]))
        ranking = _reversed(hard) if self.training == "adversarial" else hard
        return Hard(pairs, ranking, hard if self.training == "joint" else hard.detach())

    def alignment(self, final: Tensor, batch: Batch, negatives: Negatives) -> Tensor:
        """Return L_align over the anchored items of the batch, each once; 0 where none is anchored."""
        items = torch.unique(torch.cat([batch.items, negatives.items]))
        items = items[self.anchored[items]]
        if len(items) == 0:
            return final.new_zeros(())
        return alignment(self.adapter(self.anchors.index_select(0, items)), final.detach()[self.users + items])

    @property
    def shift(self) -> float:
        """How far the adapter has moved: the L2 norm of its change over that of its start."""
        return float((parameters_of(self.adapter) - self.start).norm() / self.start.norm())

    def state_dict(self) -> dict[str, Any]:
        """Return the adapter's parameters and where they started."""
        return {"adapter": self.adapter.state_dict(), "start": self.start}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take both over from :meth:`state_dict`."""
        self.adapter.load_state_dict(state["adapter"])
        self.start = state["start"].cpu()


def _alignable(data: CFData, config: CFConfig) -> PairVectors:
    if data.vectors is None:
        raise InputError("cf.sampler 'vectors' needs a vector for training pairs and the data has none; embed them")
    if config.adapter_training in {"alignment", "adversarial"} and config.alignment == 0:
        raise InputError(
            f"cf.adapter_training {config.adapter_training!r} trains the adapter by cf.alignment, which is 0; raise it"
        )
    if config.alignment > 0 and not data.vectors.anchored_items(data.items).any():
        raise InputError(
            f"cf.alignment {config.alignment} needs the items' anchors and the vectors have none; add them or set it 0"
        )
    return data.vectors


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401, ARG004 autograd's own
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401, ARG004 autograd's own
        return -gradients[0]


def _reversed(x: Tensor) -> Tensor:
    out: Tensor = _Reverse.apply(x)  # type: ignore[no-untyped-call] # torch leaves it so
    return out
