"""A training that is kept after each epoch goes on from any of them as if it had never stopped."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.base import progress as save_pace
from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import EmbeddingScores, train
from hnlm_ray.commands.cf.checkpoint import FileCheckpoints, digest
from hnlm_ray.config import CFConfig

SMALL = {"dim": 8, "batch_size": 100, "lr": 0.01, "candidates": 3, "epochs": 7, "patience": 3}
KINDS = {
    "early stopping": {"model": "mf", "lr": 0.2, "patience": 2, "epochs": 30},
    "every other epoch evaluated": {"eval_every": 2},
    "no validation": {"validation": "none"},
    "schedule": {"schedule": "cosine", "warm_up": 2},
    "views": {"model": "sgl"},
    "noise": {"model": "xsimgcl"},
    "memory": {"sampler": "srns"},
    "whole users": {"loss": "softmax"},
    "least squares": {"model": "ials", "ials": {"reg": 0.1}},
    "closed form": {"model": "ease"},
}


class Memory:
    """Keeps every state as bytes; starts from one of them."""

    def __init__(self, start=None):
        self.start, self.kept, self.lasts = start, [], []

    def load(self):
        return None if self.start is None else torch.load(io.BytesIO(self.start), weights_only=True)

    def save(self, state, *, last):
        stream = io.BytesIO()
        torch.save(state(), stream)
        self.kept.append(stream.getvalue())
        self.lasts.append(last)


def figures(training, data):
    scores = training.scorer.scores(torch.arange(data.users))
    return training.epochs, training.best_epoch, training.validation, scores


@pytest.mark.parametrize("kind", KINDS)
def test_from_every_checkpoint_the_end_is_the_same(data, kind):
    config = CFConfig(
        **({"epochs": 7} if "model" in KINDS[kind] and KINDS[kind]["model"] in {"ials", "ease"} else SMALL)
        | KINDS[kind]
    )
    memory = Memory()
    *straight, scores = figures(train(data, config, 3, checkpoints=memory), data)
    assert memory.lasts == [False] * (straight[0] - 1) + [True]
    for kept in memory.kept:
        *resumed, again = figures(train(data, config, 3, checkpoints=Memory(kept)), data)
        assert resumed == straight
        assert torch.equal(again, scores)


def opened(path, data, *, resume, settings=None, **belongs):
    config = CFConfig(**(settings or SMALL))
    return FileCheckpoints(str(path / "checkpoint.pt"), config, data, belongs or {"seed": 0}, resume=resume)


def test_a_file_is_taken_up_with_its_settings_and_data_alone(data, texted, tmp_path):
    opened(tmp_path, data, resume=False).save(lambda: {"epoch": 4}, last=True)
    assert opened(tmp_path, data, resume=True).load() == {"epoch": 4}
    for told, other in (
        ("has seed 0 and this training 1", {"data": data, "seed": 1}),
        ("has cf.lr 0.01 and this training 0.02", {"data": data, "settings": {**SMALL, "lr": 0.02}}),
        ("has cf.srns.memory 8 and this training 9", {"data": data, "settings": {**SMALL, "srns": {"memory": 9}}}),
        ("has data ", {"data": texted}),
    ):
        with pytest.raises(InputError, match=told):
            opened(tmp_path, other.pop("data"), resume=True, **other).load()
    with pytest.raises(InputError, match="is there from a training before: add --resume"):
        opened(tmp_path, data, resume=False)


def test_writing_takes_a_twentieth_of_the_time_at_most(data, tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(save_pace.time, "monotonic", lambda: now[0])
    file = opened(tmp_path, data, resume=False)
    made = []

    def state():
        now[0] += 2.0  # so long a writing takes
        made.append(now[0])
        return {}

    for _ in range(100):
        now[0] += 1.0
        file.save(state, last=False)
    assert made[0] == 107.0  # not before five seconds
    assert np.diff(made).min() >= 2.0 / 0.05
    file.save(state, last=True)
    assert made[-1] == now[0]


def test_a_write_that_fails_leaves_the_file_before(data, tmp_path, monkeypatch):
    file = opened(tmp_path, data, resume=False)
    file.save(lambda: {"epoch": 1}, last=True)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match=r"can't be written .*No space left.*: make room or choose another --out"):
        file.save(lambda: {"epoch": 2}, last=True)
    monkeypatch.undo()
    assert opened(tmp_path, data, resume=True).load() == {"epoch": 1}


def test_the_digest_sees_each_thing_that_is_trained_on(data, texted, make_planted):
    teacher = EmbeddingScores(torch.ones(data.users, 2), torch.ones(data.items, 2))
    other = EmbeddingScores(torch.ones(data.users, 2), torch.arange(2.0 * data.items).view(-1, 2))
    kinds = [
        data,
        make_planted(seed=1),
        texted,
        replace(data, test=None),
        replace(data, validation=None, test=data.validation),
        replace(data, user_text=np.ones((data.users, 2), np.float32)),
        replace(data, triples=np.array([[0, 1, 2]])),
        replace(data, teacher=teacher),
        replace(data, teacher=other),
    ]
    assert len({digest(kind) for kind in kinds}) == len(kinds)
    assert digest(data) == digest(replace(data))
