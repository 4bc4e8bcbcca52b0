"""Negatives of any sampler redrawn on one model that stays as it is: samplers apart from what they train."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.samplers import Sampler, SamplerInputs, sampler_class
from hnlm_ray.cf.training.hardness import Drawn, Ranked, draw_negatives, draws_for_pairs
from hnlm_ray.cf.training.named_items import Meaning, NearestItems
from hnlm_ray.config import CFConfig

_STREAMS: Final = 2


def redraw(model: Ranked, data: CFData, config: CFConfig, pairs: NDArray[np.int64], seed: int) -> Drawn:
    """Draw a negative for each of ``pairs`` (edges int64[n]) as a training with ``config`` on ``data`` would draw it.

    Scores are those of ``model``, whose training positives ``data`` has too. A pair's vector counts as the item whose
    anchor is nearest to it by cosine, of those that are no training positives of the user: that needs no adapter, which
    would belong to another model.

    Raises
    ------
    InputError
        The negatives can't be redrawn: why, as a sentence about the method.
    """
    if not draws_for_pairs(config):
        raise InputError(f"its loss {config.loss!r} draws no negative for a pair")
    meaning = _anchored_meaning(data, model.final.device) if sampler_class(config.sampler).adapts_vectors else None
    sampler = _open_sampler(data, config, seed, model.final.device)
    if sampler.state_dict():
        raise InputError(f"what {config.sampler!r} draws rests on what it saw while its own model was trained")
    return draw_negatives(sampler, model, pairs, meaning)


def _open_sampler(data: CFData, config: CFConfig, seed: int, device: torch.device) -> Sampler:
    seeds = np.random.SeedSequence(seed).generate_state(_STREAMS, np.uint32)
    sampling, pool = (torch.Generator(device).manual_seed(int(own)) for own in seeds)
    return sampler_class(config.sampler).open(SamplerInputs(data, config, sampling, pool, device))


def _anchored_meaning(data: CFData, device: torch.device) -> Meaning:
    if data.vectors is None or data.vectors.anchors is None:
        raise InputError("its vectors have no anchors, so nothing says which item one means")
    vectors, anchors = (torch.from_numpy(rows).to(device) for rows in (data.vectors.vectors, data.vectors.anchors))
    there = torch.from_numpy(data.vectors.anchored_items(data.items)).to(device)
    nearest = NearestItems(torch.where(there.unsqueeze(1), anchors, 0.0), data, there)
    return lambda users, rows: nearest.of(vectors.index_select(0, rows), users)
