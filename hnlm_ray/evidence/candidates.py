"""Stage: interactions (training rows), items and profiles -> candidates, what the LLM is to judge.

One Ray task computes it with the CPUs of a trial, and writes a file for each bucket of users. A candidate is an item
that a sampler of hard negatives meets (the teacher ranks it high, and the user has not trained on it) and of which
the false-negative model can't tell whether it is a negative; both know training rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import torch
from numpy.typing import NDArray

from hnlm_ray.cf import CFData, fit_false_negatives
from hnlm_ray.cf.guard.questions import blocks
from hnlm_ray.cf.teacher.semantic import open_teacher
from hnlm_ray.config import Config
from hnlm_ray.config.cf_parts import TeacherConfig
from hnlm_ray.evidence.prompts import described, judgement_prompts, judgement_task
from hnlm_ray.llm.rows.budget import most_tokens
from hnlm_ray.profiles.texts import encode_item_text
from hnlm_ray.teacher.training import training_data
from hnlm_ray.workspace import Rows, Workspace
from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.tables import TABLES
from hnlm_ray.workspace.training_data import bucket_count, histories, training_rows

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Chosen:
    """The candidates of some users, most uncertain first.

    ``items`` int64[users, most], -1 where a user has fewer; ``logits`` float32[users, most], 0 there; ``mass``
    float64[users]: the sum of their uncertainty.
    """

    items: Ints
    logits: Floats
    mass: NDArray[np.float64]


def uncertainty(logits: Floats) -> NDArray[np.float64]:
    """Return 4 p (1 - p), p the probability of being a positive: 1 at the decision point (logit 0), 0 far from it."""
    from scipy.special import expit

    p = expit(logits.astype(np.float64))
    sure: NDArray[np.float64] = 4 * p * (1 - p)
    return sure


def choose_candidates(scores: Floats, logits: Floats, known: NDArray[np.bool_], hard: int, most: int) -> Chosen:
    """Choose at most ``most`` candidates of each user.

    They are among the best 1/``hard`` by ``scores`` (rounded up) of the items that are not ``known``: the hardest of
    ``hard`` uniform draws is one of these on average. Of these the most uncertain are taken; equal ones by the
    higher score, then by the lower item.

    Parameters
    ----------
    scores, logits
        The teacher's score, and the log-odds that an item is a positive not seen yet, float32[users, items].
    known
        Which items a user has trained on, bool[users, items].
    """
    ranked = np.argsort(np.where(known, np.inf, -scores), axis=1, kind="stable")
    unseen = (~known).sum(1)
    reach = -(-unseen // hard)
    window = ranked[:, : max(1, int(reach.max(initial=1)))]
    inside = np.arange(window.shape[1]) < reach[:, None]
    belief = np.take_along_axis(logits, window, axis=1)
    order = np.argsort(np.where(inside, np.abs(belief), np.inf), axis=1, kind="stable")[:, :most]
    taken = np.take_along_axis(inside, order, axis=1)
    items, found = np.full((len(scores), most), -1), np.zeros((len(scores), most), np.float32)
    there = slice(order.shape[1])
    items[:, there] = np.where(taken, np.take_along_axis(window, order, axis=1), -1)
    found[:, there] = np.where(taken, np.take_along_axis(belief, order, axis=1), 0)
    return Chosen(items, found, np.where(items >= 0, uncertainty(found), 0).sum(1))


def users_by_mass(mass: NDArray[np.float64], most: int) -> Ints:
    """Return at most ``most`` users with any uncertainty, the largest first; equal ones by the lower index."""
    order = np.argsort(-mass, kind="stable")[:most]
    return order[mass[order] > 0].astype(np.int64)


def within_budget(tokens: Ints, budget: int) -> int:
    """Return how many of these, in this order, may be asked before the sum of their tokens exceeds the budget."""
    return int(np.searchsorted(np.cumsum(tokens), budget, side="right"))


def order_of_asking(items: Ints, user: int, seed: int) -> Ints:
    """Return a user's candidates in a drawn order, so that a number in the list tells nothing of an item."""
    listed: Ints = np.random.default_rng([seed, user]).permutation(np.sort(items[items >= 0]))
    return listed


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


Counts = dict[str, int | float | str | None]


def find_candidates(run: StageRun) -> Outcome:
    """Choose users and candidates by ``evidence``.

    Raises
    ------
    InputError
        Too many items for the teacher or for the false-negative model.
    """
    run.progress.start("candidates", 1, unit="choices")
    text = encode_item_text(run.config, run.workspace)
    task = ray.remote(_write).options(num_cpus=run.config.tune.cpus_per_trial)
    counts: Counts = ray.get(task.remote(run.config, run.workspace, run.fingerprint, text))
    run.progress.advance()
    run.progress.finish()
    return Outcome(Rows(ok=int(counts["users"] or 0)), counts=counts)


def _write(config: Config, workspace: Workspace, fingerprint: str, text: NDArray[np.float32]) -> Counts:
    import torch

    torch.set_num_threads(max(1, int(config.tune.cpus_per_trial)))
    data = replace(training_data(workspace), item_text=text)
    chosen = choose(data, teacher_of(data), belief_of(data, config.seed), config)
    return write_candidates(config, workspace, fingerprint, chosen)


def choose(data: CFData, teacher: Belief, belief: Belief, config: Config) -> Chosen:
    """Return the candidates of all users, a block of them at a time."""
    evidence = config.evidence
    found = [
        choose_candidates(teacher(users), belief(users), known_items(data, users), evidence.hard, evidence.candidates)
        for users in blocks(data)
    ]
    return Chosen(
        np.concatenate([one.items for one in found]),
        np.concatenate([one.logits for one in found]),
        np.concatenate([one.mass for one in found]),
    )


@dataclass(frozen=True)
class Listed:
    """A user's candidates by number, and what asking takes, as estimated."""

    items: Ints
    tokens: int


def write_candidates(config: Config, workspace: Workspace, fingerprint: str, chosen: Chosen) -> Counts:
    """Write the candidates of the users who are asked about, a part for each bucket; returns what was counted."""
    ranked = users_by_mass(chosen.mass, config.evidence.users)
    wanted = {user: order_of_asking(chosen.items[user], user, config.seed) for user in ranked.tolist()}
    buckets = [dict(_listed(config, workspace, bucket, wanted)) for bucket in range(bucket_count(workspace))]
    listed = {user: one for bucket in buckets for user, one in bucket.items()}
    tokens = np.array([listed[user].tokens for user in ranked.tolist()], np.int64)
    asked = ranked[: within_budget(tokens, config.evidence.token_budget)].tolist()
    store = workspace.table("candidates")
    for number, bucket in enumerate(buckets):
        rows = [_row(user, bucket[user], chosen) for user in sorted(set(asked) & bucket.keys())]
        store.write_part(fingerprint, f"part-{number:05}", pa.Table.from_pylist(rows, schema=TABLES["candidates"]))
    return {
        "users": len(asked),
        "users_over_budget": len(ranked) - len(asked),
        "candidates": sum(len(listed[user].items) for user in asked),
        "tokens_estimated": int(tokens[: len(asked)].sum()),
    }


def _listed(
    config: Config, workspace: Workspace, bucket: int, wanted: Mapping[int, Ints]
) -> Iterator[tuple[int, Listed]]:
    """Yield the wanted users of a bucket; the estimate is that of the real prompt and its longest answer."""
    users = [one for one in histories(training_rows(workspace, bucket)) if one.user in wanted]
    candidates: dict[int, Sequence[int]] = {one.user: wanted[one.user].tolist() for one in users}
    task = judgement_task(config, workspace)
    for prompt in judgement_prompts(users, candidates, described(workspace, bucket), config.evidence):
        (user,) = prompt.key
        yield user, Listed(wanted[user], sum(most_tokens(task.request(prompt.key, prompt.content, 1))))


def _row(user: int, listed: Listed, chosen: Chosen) -> dict[str, Any]:
    belief = dict(zip(chosen.items[user].tolist(), chosen.logits[user].tolist(), strict=True))
    items = listed.items.tolist()
    logits = [belief[item] for item in items]
    return {"user": user, "items": items, "logits": logits, "mass": chosen.mass[user], "tokens": listed.tokens}
