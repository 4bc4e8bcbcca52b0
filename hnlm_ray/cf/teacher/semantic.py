"""The semantic teacher: a closed-form linear item model that knows the items' text, and what text says beside it.

Its scores are added to a model's (late fusion, :mod:`hnlm_ray.cf.teacher.fused_training`), or are the soft
targets of a softmax.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.closed_form.ease import HistoryScores, history_matrix
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.judgements import Judgements
from hnlm_ray.cf.data.kept import Array, Kept, content_of
from hnlm_ray.cf.data.text import user_text
from hnlm_ray.cf.kernels.gram import MOST_ITEMS, add_text_kernel, item_gram, solve_ease
from hnlm_ray.cf.kernels.rows import standardised
from hnlm_ray.cf.kernels.spectral import spectral_scores
from hnlm_ray.cf.scoring import EmbeddingScores, Scorer
from hnlm_ray.cf.teacher.text_affinity import TextEvidence, coldness
from hnlm_ray.config import CFConfig
from hnlm_ray.config.cf_parts import TeacherConfig

log = logging.getLogger(__name__)
USERS_PER_BLOCK: Final = 1024
KEPT_CELLS: Final = 2**25
"""Scores that are computed once and kept, float32[users, items]: 128 MiB; of more data each block is computed anew."""
_TEACHERS: Final = Kept[Scorer](1)


@dataclass(frozen=True, eq=False)
class TeacherScores:
    """z(linear) + profile z(S1) + votes z(S2) + cold z(S1) / (1 + n_j / 5) + llm_profile z(S3) + verdict v.

    z is over the catalogue of each user, v what an LLM judged. What an LLM says is added: without it the rest stays.

    Attributes
    ----------
    linear
        EASE on the Gram matrix with the text kernel, of up to 20,000 items; else :func:`spectral_scores`.
    text
        None where no weight of a text is above 0.
    cold
        float32[items], :func:`~hnlm_ray.cf.teacher.text_affinity.coldness`.
    judgements
        An LLM's verdicts; none where there are none.
    """

    linear: Scorer
    text: TextEvidence | None
    cold: Tensor
    judgements: Judgements | None
    config: TeacherConfig

    @property
    def items(self) -> int:
        """How many items there are."""
        return self.linear.items

    @property
    def device(self) -> torch.device:
        """Where scores are computed."""
        return self.linear.device

    @torch.no_grad()
    def scores(self, users: Tensor) -> Tensor:
        """Return float32[n, items] of ``users`` int64[n]."""
        found = standardised(self.linear.scores(users))
        rows = users.cpu().numpy()
        if self.judgements is not None and self.config.verdict:
            verdicts = torch.from_numpy(self.judgements.rows(rows, self.items))
            found.add_(verdicts.to(found.device), alpha=self.config.verdict)
        if self.text is None:
            return found
        if self.config.profile or self.config.cold:
            taste = standardised(torch.from_numpy(self.text.taste(rows)))
            found += (taste * (self.config.profile + self.config.cold * self.cold)).to(found.device)
        if self.config.votes:
            votes = standardised(torch.from_numpy(self.text.votes(rows)))
            found.add_(votes.to(found.device), alpha=self.config.votes)
        if self.config.llm_profile:
            own = standardised(torch.from_numpy(self.text.own_taste(rows)))
            found.add_(own.to(found.device), alpha=self.config.llm_profile)
        return found

    def check(self) -> None:
        """Raise DivergedError where the scores can't be finite."""
        self.linear.check()


@dataclass(frozen=True, eq=False)
class KeptScores:
    """Scores of all users, float32[users, items], made once."""

    table: Tensor

    @property
    def items(self) -> int:
        """How many items there are."""
        return self.table.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the scores are."""
        return self.table.device

    def scores(self, users: Tensor) -> Tensor:
        """Return a copy of some rows."""
        return self.table.index_select(0, users)

    def check(self) -> None:
        """Do nothing: they were checked when they were made."""


def teacher_of(data: CFData, config: CFConfig, device: torch.device | str = "cpu") -> Scorer:
    """Return ``data.teacher`` where it is given, else the teacher by ``config.teacher``, from train and text alone.

    The last one of a process is kept, for the seeds of one setting and for distillation and fusion of one training. It
    goes before the next is made: two of a large catalogue need the memory of two.

    Raises
    ------
    InputError
        A text weight without text of items, ``llm_profile`` without texts of users, or a Gram matrix that can't be
        inverted.
    """
    if data.teacher is not None:
        return data.teacher
    asked = data, config.teacher, str(device)
    return _TEACHERS.get(_content(*asked), lambda: _to_keep(*asked))


def _content(data: CFData, config: TeacherConfig, device: str) -> bytes:
    """Return what a teacher is kept by: its settings, and all that :func:`open_teacher` reads with them."""
    read: list[Array | None] = [data.train.indptr, data.train.items]
    read += [data.item_text if config.reads_text else None]
    read += [data.user_text if config.llm_profile else None]
    if data.judgements is not None and config.verdict:
        read += [data.judgements.pairs.indptr, data.judgements.pairs.items, data.judgements.verdicts]
    return content_of((data.users, data.items, config.model_dump_json(), device), read)


def _to_keep(data: CFData, config: TeacherConfig, device: str) -> Scorer:
    scorer = open_teacher(data, config, device)
    scorer.check()
    if data.users * data.items > KEPT_CELLS:
        return scorer
    blocks = torch.split(torch.arange(data.users, device=scorer.device), USERS_PER_BLOCK)
    return KeptScores(torch.cat([scorer.scores(block) for block in blocks]))


def kept_bytes(users: int, items: int) -> int:
    """Return the bytes of the scores that are kept of a teacher."""
    cells = users * items
    return 4 * cells if cells <= KEPT_CELLS else 0


def open_teacher(data: CFData, config: TeacherConfig, device: torch.device | str = "cpu") -> TeacherScores:
    """Return the teacher by ``config``; see :func:`teacher_of`."""
    text = None
    history = history_matrix(data.train, data.items)
    if config.reads_text:
        if data.item_text is None:
            raise InputError(
                "cf.teacher weighs the items' text and the data has none; give it or set its text weights 0"
            )
        text = TextEvidence.of(history, data.item_text, _own_text(data) if config.llm_profile else None)
    linear = _linear(data, config, history, torch.device(device))
    return TeacherScores(linear, text, coldness(data.train.popularity(data.items)), data.judgements, config)


def _own_text(data: CFData) -> NDArray[np.float32]:
    if data.user_text is None:
        raise InputError(
            "cf.teacher.llm_profile weighs the users' own texts and the data has none; give user_text or set it 0"
        )
    return user_text(data)


def _linear(
    data: CFData,
    config: TeacherConfig,
    history: Any,  # noqa: ANN401 scipy is untyped
    device: torch.device,
) -> HistoryScores | EmbeddingScores:
    if data.items > MOST_ITEMS:
        if config.kernel:
            log.warning("the teacher of %d items has no text kernel: that takes at most %d", data.items, MOST_ITEMS)
        return spectral_scores(history, device)
    gram = item_gram(history, normalise=config.normalise)
    if config.kernel and data.item_text is not None:
        add_text_kernel(gram, data.item_text, config.kernel)
    try:
        weights = torch.from_numpy(solve_ease(gram, config.reg)[0]).to(device)
    except InputError as error:
        raise InputError(
            f"the teacher's Gram matrix can't be inverted with cf.teacher.reg {config.reg:g} and cf.teacher.kernel "
            f"{config.kernel:g}; raise the first or lower the second"
        ) from error
    indptr, items = (torch.from_numpy(part).to(device) for part in (data.train.indptr, data.train.items))
    return HistoryScores(indptr, items, weights)
