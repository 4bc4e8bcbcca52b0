"""What models read of text: vectors of users and items, and the MLP on them.

Text is centred and brought to a root mean square of 1. The papers take raw vectors; the map is affine, so a first layer
could undo it and the models are those of the papers, but raw sentence vectors share a direction that hides what tells
them apart, and a start would first have to learn it away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import Positives
from hnlm_ray.cf.kernels.initialisation import glorot_linear, linear
from hnlm_ray.cf.kernels.neighbours import centred

ROWS_PER_BLOCK: Final = 2**17


@dataclass(frozen=True, eq=False)
class Text:
    """Standardised text: ``vectors`` float32[rows, t], and ``present`` bool[rows]; a row without text is zeros."""

    vectors: Tensor
    present: Tensor

    def of(self, module: nn.Module) -> Tensor:
        """Return ``module`` of every row, float32[rows, d], zeros for a row without text.

        Of many rows the hidden layers are computed again in the backward pass, block by block, so that their memory
        is that of a block.
        """
        blocks = torch.split(self.vectors, ROWS_PER_BLOCK)
        if len(blocks) == 1:
            out: Tensor = module(self.vectors)
        else:
            out = torch.cat([checkpoint(module, block, use_reentrant=False) for block in blocks])
        return out * self.present.unsqueeze(1)

    def to(self, device: torch.device) -> Text:
        """Return it on a device."""
        return Text(self.vectors.to(device), self.present.to(device))

    def split(self, rows: int) -> tuple[Text, Text]:
        """Return the first ``rows`` and the others, without a copy."""
        head, tail = (slice(None, rows), slice(rows, None))
        return Text(self.vectors[head], self.present[head]), Text(self.vectors[tail], self.present[tail])


def item_text(data: CFData) -> Text:
    """Return the items' standardised text; InputError where no item has any."""
    return _standardised(_raw_item_text(data))


def given_user_text(data: CFData) -> Text | None:
    """Return the users' own text, standardised about its own mean; none where the data has none."""
    return None if data.user_text is None else _standardised(user_text(data))


def node_text(data: CFData) -> Text:
    """Return the text of users and items, users first; users' as in :func:`user_text`.

    The mean over a user's items is that of their standardised vectors.
    """
    items = item_text(data)
    users = given_user_text(data) or _mean_over_history(data.train, items)
    return Text(torch.cat([users.vectors, items.vectors]), torch.cat([users.present, items.present]))


def user_text(data: CFData) -> NDArray[np.float32]:
    """Return the users' text vectors as given, or the mean over each user's training items, float32[users, t].

    Items without text don't count in the mean; a user with none but those has a row of zeros.

    Raises
    ------
    InputError
        No item has a text, or the users' vectors have another length than the items'.
    """
    raw = _raw_item_text(data)
    if data.user_text is None:
        text = torch.from_numpy(raw.copy())
        return _mean_over_history(data.train, Text(text, (text != 0).any(1))).vectors.numpy()
    if data.user_text.shape[1] != raw.shape[1]:
        raise InputError(
            f"user_text has vectors of length {data.user_text.shape[1]} and item_text of {raw.shape[1]}; "
            "embed both by one model"
        )
    return data.user_text


def text_mlp(
    wide: int, hidden: Sequence[int], narrow: int, generator: torch.Generator, *, deviation: float | None
) -> nn.Sequential:
    """Return an MLP float32[n, wide] -> float32[n, narrow] on the CPU, LeakyReLU between its layers.

    Its output starts with about the given deviation: that of the layer-0 embeddings that it joins or stands for. None:
    it is compared by direction alone, and its weights are those of :func:`glorot_linear`.
    """

    def layer(before: int, after: int, gain: float) -> nn.Linear:
        by_direction = deviation is None
        return glorot_linear(before, after, generator) if by_direction else linear(before, after, gain, generator)

    widths = (wide, *hidden, narrow)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths[:-1]):
        layers += [layer(before, after, 2**0.5), nn.LeakyReLU(inplace=True)]
    return nn.Sequential(*layers, layer(widths[-2], narrow, deviation or 0.0))


def _raw_item_text(data: CFData) -> NDArray[np.float32]:
    if data.item_text is None or not data.item_text.any():
        raise InputError(
            "a model that reads text needs the items' text vectors and the data has none; embed the items or choose "
            "another cf.model"
        )
    return data.item_text


def _standardised(raw: NDArray[np.float32]) -> Text:
    present = (raw != 0).any(axis=1)
    vectors = centred(raw)
    size = float(np.linalg.norm(vectors)) / max(1, int(present.sum()) * raw.shape[1]) ** 0.5
    vectors *= 1 / size if size else 1.0
    return Text(torch.from_numpy(vectors), torch.from_numpy(present))


def _mean_over_history(train: Positives, text: Text) -> Text:
    users, items = (torch.from_numpy(column.astype(np.int64)) for column in train.pairs())
    counted = text.present[items]
    counts = torch.bincount(users[counted], minlength=train.n_users)
    first = counts.cumsum(0) - counts
    mean = functional.embedding_bag(items[counted], text.vectors, first, mode="mean")
    return Text(mean, counts > 0)
