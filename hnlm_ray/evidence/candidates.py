"""Stage: interactions (training rows), items and profiles -> candidates, what the LLM is to judge.

One Ray task computes it with the CPUs of a trial, and writes a file for each bucket of users.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from numpy.typing import NDArray

from hnlm_ray.cf import CFData
from hnlm_ray.cf.guard.questions import blocks
from hnlm_ray.config import Config
from hnlm_ray.evidence.belief import Belief, belief_of, known_items, teacher_of
from hnlm_ray.evidence.prompts import described, judgement_prompts, judgement_task
from hnlm_ray.evidence.selection import Chosen, Ints, choose_candidates, order_of_asking, users_by_mass, within_budget
from hnlm_ray.llm.rows.budget import most_tokens
from hnlm_ray.profiles.item_text import encode_item_text
from hnlm_ray.teacher.training import training_data
from hnlm_ray.workspace import Rows, Workspace
from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.tables import TABLES
from hnlm_ray.workspace.training_data import bucket_count, histories, training_rows

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
