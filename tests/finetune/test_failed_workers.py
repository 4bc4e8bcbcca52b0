"""What a user reads of a Ray Train worker that failed: its own cause, and a remedy; no Ray is started."""

from types import SimpleNamespace

import pytest
import torch
from ray.exceptions import ActorDiedError
from ray.train import WorkerGroupError
from ray.train.v2.api.exceptions import ControllerError

from hnlm_ray.base.errors import InputError, StageError, WorkspaceError
from hnlm_ray.base.text import named
from hnlm_ray.finetune import loop, stage
from hnlm_ray.finetune.checkpoints import CheckpointFiles
from hnlm_ray.finetune.stage import training_error

GLOO = RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:1234")
GO_ON = "; the same command goes on after the latest checkpoint"


SPACE = "free space in the workspace and where temporary files go (TMPDIR)"


@pytest.mark.parametrize(
    ("failures", "failed", "remedy"),
    [
        ({0: GLOO, 1: OSError(28, "No space left on device")}, 1, SPACE),
        ({0: RuntimeError("[enforce fail at inline_container.cc:668] . unexpected pos 64 vs 0")}, 0, SPACE),
        ({0: GLOO, 1: ActorDiedError()}, 1, "give it memory, or lower finetune.micro_batch or finetune.workers"),
        ({0: torch.OutOfMemoryError("CUDA out of memory")}, 0, "lower finetune.micro_batch or finetune.max_tokens"),
        ({0: GLOO}, 0, "see that its nodes reach each other"),
        ({0: GLOO, 1: GLOO, 2: KeyError("head")}, 2, "mend that; its log has the traceback"),
    ],
)
def test_the_cause_is_that_of_the_worker_that_failed_first(failures, failed, remedy):
    error = training_error(WorkerGroupError("a snippet", failures))
    assert isinstance(error, StageError)
    assert str(error) == f"worker {failed} of the fine-tuning failed: {named(failures[failed])}: {remedy}{GO_ON}"


def test_a_group_that_could_not_be_made_is_told_too():
    error = training_error(ControllerError(RuntimeError("the workers did not start\nmore")))
    assert str(error) == f"the fine-tuning's workers failed: RuntimeError: the workers did not start{GO_ON}"


class Steps:
    """Stands in for the actor; a call's answer is what it returns."""

    def __init__(self):
        self.told = stage._Steps()
        for name in ("failure", "fail"):
            setattr(self, name, SimpleNamespace(remote=getattr(self.told, name)))


@pytest.fixture
def steps(monkeypatch):
    monkeypatch.setattr("ray.get", lambda found: found)
    monkeypatch.setattr("ray.train.get_context", lambda: SimpleNamespace(get_world_rank=lambda: 0))
    return Steps()


def test_an_error_with_its_own_sentence_is_told_as_it_is_and_not_tried_again(steps, monkeypatch):
    calls = []

    def fail(*_):
        calls.append(1)
        raise InputError("no record is left: raise records.most")

    monkeypatch.setattr(stage, "_train_worker", fail)
    job = SimpleNamespace(steps=steps)
    with pytest.raises(InputError):
        stage.run_worker(job)
    stage.run_worker(job)  # Ray Train starts all workers again: they end at once
    assert calls == [1]
    told = stage._told(steps)
    assert isinstance(told, InputError)
    assert str(told) == "no record is left: raise records.most"


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (RuntimeError("PytorchStreamReader failed reading zip archive: not a ZIP archive"), WorkspaceError),
        (KeyError("module"), WorkspaceError),
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError),
        (OSError(28, "No space left on device"), OSError),
    ],
)
def test_a_damaged_checkpoint_is_named_with_what_to_remove(raised, told):
    def load_checkpoint(*_, **__):
        raise raised

    checkpoints = SimpleNamespace(
        latest=lambda: CheckpointFiles(step=20, workers=1, files={}), download=lambda *_: "", folder="ws/checkpoints/ab"
    )
    worker = SimpleNamespace(checkpoints=checkpoints, engine=SimpleNamespace(load_checkpoint=load_checkpoint))
    with pytest.raises(told) as found:
        loop.restore(worker)
    if told is WorkspaceError:
        assert str(found.value).startswith("the checkpoint of step 20 in ws/checkpoints/ab is damaged (")
        assert str(found.value).endswith("remove that folder and run the same command again, it then begins anew")
