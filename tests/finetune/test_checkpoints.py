"""A checkpoint is whole or absent, whenever the process died."""

import os

import pytest

from hnlm_ray.finetune.checkpoints import Checkpoints
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.workspace import Workspace


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(Workspace.open(str(tmp_path / "ws")), "abc")


def worker_files(folder, rank, content):
    os.makedirs(folder / "deepspeed", exist_ok=True)
    (folder / "deepspeed" / f"rank{rank}.pt").write_bytes(content)
    return str(folder)


def save(checkpoints, tmp_path, step, workers=2):
    for rank in range(workers):
        checkpoints.upload(step, worker_files(tmp_path / f"s{step}r{rank}", rank, bytes([rank]) * step))
    checkpoints.commit(step, workers)


def test_the_latest_whole_checkpoint_has_the_files_of_all_workers(checkpoints, tmp_path):
    assert checkpoints.latest() is None
    save(checkpoints, tmp_path, 10)
    save(checkpoints, tmp_path, 20)
    found = checkpoints.latest()
    assert found.step == 20
    folder = checkpoints.download(found, str(tmp_path / "back"))
    assert sorted(os.listdir(f"{folder}/deepspeed")) == ["rank0.pt", "rank1.pt"]
    assert len(os.listdir(checkpoints.folder)) == 2  # the files of one step and their list


def test_files_without_their_list_do_not_count_and_the_former_checkpoint_stays(checkpoints, tmp_path):
    save(checkpoints, tmp_path, 10)
    checkpoints.upload(20, worker_files(tmp_path / "later", 0, b"half"))
    assert checkpoints.latest().step == 10
    with open(f"{checkpoints.folder}/step-000020.json", "w", encoding="utf-8") as stream:
        stream.write('{"step": 20, "wor')
    assert checkpoints.latest().step == 10


def test_a_checkpoint_with_a_file_cut_short_does_not_count(checkpoints, tmp_path):
    save(checkpoints, tmp_path, 10)
    with open(f"{checkpoints.folder}/step-000010/deepspeed/rank1.pt", "wb") as stream:
        stream.write(b"x")
    assert checkpoints.latest() is None


def test_nothing_is_left_once_the_export_is_published(checkpoints, tmp_path):
    checkpoints.remove()  # of one that has none
    save(checkpoints, tmp_path, 10)
    (tmp_path / "trained.bin").write_bytes(b"weights")
    checkpoints.put(str(tmp_path / "trained.bin"))
    other = Checkpoints.of(checkpoints.workspace, "other" * 20)
    save(other, tmp_path, 20)
    find_stage("finetune").tidy(checkpoints.workspace, checkpoints.name)
    assert not os.path.exists(checkpoints.folder)
    assert (checkpoints.latest(), checkpoints.has("trained.bin")) == (None, False)
    assert other.latest().step == 20


def test_a_file_put_beside_them_counts_when_whole_and_outlives_the_steps(checkpoints, tmp_path):
    save(checkpoints, tmp_path, 10)
    (tmp_path / "trained.bin").write_bytes(b"weights")
    assert not checkpoints.has("trained.bin")
    checkpoints.put(str(tmp_path / "trained.bin"))
    other = Checkpoints(checkpoints.workspace, "older")
    save(other, tmp_path, 5)
    checkpoints.remove_steps()
    assert checkpoints.latest() is None
    assert other.latest() is None
    assert checkpoints.has("trained.bin")
    with open(f"{checkpoints.folder}/trained.bin", "wb") as stream:
        stream.write(b"cut")
    assert not checkpoints.has("trained.bin")
