"""What the LLM says of users and of candidates, as arrays: its profiles of users and its judgements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import ray
from numpy.typing import NDArray

from hnlm_ray.cf import CFData, Judgements, Positives
from hnlm_ray.config import Config
from hnlm_ray.evidence.judgements import load_judgements
from hnlm_ray.llm.encoder import open_encoder
from hnlm_ray.profiles.texts import user_text
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.training_data import bucket_count, histories, training_rows, user_profiles

_CHARS = 1000  # of a profile; the encoder itself reads 128 tokens


def with_evidence(data: CFData, config: Config, workspace: Workspace) -> CFData:
    """Return the data with the vectors of the users' profiles, what these were written from, and the judgements.

    Profiles are encoded in a Ray task, so that the driver needs neither a model's memory nor its cores.
    """
    task = ray.remote(_encode).options(num_cpus=config.tune.cpus_per_trial)
    vectors: NDArray[np.float32] = ray.get(task.remote(config, workspace, data.users))
    users, items, verdicts = load_judgements(workspace)
    return replace(
        data,
        user_text=vectors,
        user_text_from=_shown(config, workspace, data.users),
        judgements=Judgements.from_pairs(users, items, verdicts, data.users),
    )


def _encode(config: Config, workspace: Workspace, users: int) -> NDArray[np.float32]:
    import torch

    torch.set_num_threads(max(1, int(config.tune.cpus_per_trial)))
    texts = user_texts(workspace, users)
    vectors = open_encoder(config.llm).encode(texts)
    vectors[[not text for text in texts]] = 0
    return vectors


def user_texts(workspace: Workspace, users: int) -> list[str]:
    """Return the profile of each user, in index order; empty without one."""
    texts = [""] * users
    for bucket in range(bucket_count(workspace)):
        for user, profile in user_profiles(workspace, bucket).items():
            texts[user] = user_text(profile, _CHARS)
    return texts


def _shown(config: Config, workspace: Workspace, users: int) -> Positives:
    """Return the training positives that the prompts of the users' profiles showed."""
    shown = [
        (history.user, item)
        for bucket in range(bucket_count(workspace))
        for history in histories(training_rows(workspace, bucket))
        for item in history.items[: config.profiles.user_history]
    ]
    pairs = np.array(shown, np.int64).reshape(-1, 2)
    return Positives.from_pairs(pairs[:, 0], pairs[:, 1], users)
