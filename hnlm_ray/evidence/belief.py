"""What the selection rests on, from training rows alone: the teacher's scores and the false-negative model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from hnlm_ray.cf import CFData, fit_false_negatives
from hnlm_ray.cf.teacher.semantic import open_teacher
from hnlm_ray.config.cf_parts import TeacherConfig
from hnlm_ray.evidence.selection import Floats

Belief = Callable[[slice], Floats]
"""From a block of users to float32[n, items]: the log-odds that an item is a positive not seen yet.

0 is the decision point; what stands at items that a user has trained on is never read."""


def belief_of(data: CFData, seed: int) -> Belief:
    """Fit the false-negative model with all its features; see :mod:`hnlm_ray.cf.guard`."""
    return fit_false_negatives(data, "full", seed).logits


def teacher_of(data: CFData) -> Belief:
    """Return the scores of the teacher by behaviour alone, float32[n, items]: what ranks high, whatever texts say."""
    scorer = open_teacher(data, TeacherConfig(kernel=0, profile=0, votes=0, cold=0))
    return lambda users: scorer.scores(torch.arange(users.start, users.stop)).numpy()


def known_items(data: CFData, users: slice) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Return which items these users have trained on, bool[n, items]."""
    known = np.zeros((users.stop - users.start, data.items), np.bool_)
    of_users, of_items = data.train.pairs()
    among = slice(*np.searchsorted(of_users, [users.start, users.stop]))
    known[of_users[among] - users.start, of_items[among]] = True
    return known
