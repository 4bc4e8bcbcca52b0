"""Who has read test is marked before it is read; other settings of the same method and seed are noticed."""

import pytest

from hnlm_ray.config import CFConfig
from hnlm_ray.tune.job import Job
from hnlm_ray.tune.run.reads_of_test import ReadsOfTest
from hnlm_ray.workspace import Workspace


def job(lr, seed=1, method="mf-dns"):
    return Job({"method": method, "seed": seed}, CFConfig(model="mf", lr=lr), "nothing", seed, reads_test=True)


@pytest.fixture
def reads(tmp_path):
    return ReadsOfTest(Workspace.open(str(tmp_path)), "a" * 64)


def test_the_same_settings_may_read_again_and_others_are_counted(reads):
    jobs = [job(0.1), job(0.1, seed=2)]
    for one in (*jobs, *jobs):
        reads.mark(one)
    assert reads.repeated(jobs) == 0
    reads.mark(job(0.2))
    assert reads.repeated([job(0.2), job(0.2, seed=2)]) == 1
    reads.mark(job(0.1))
    assert reads.repeated(jobs) == 1  # going back does not undo it


def test_another_split_has_another_test(reads):
    reads.mark(job(0.1))
    other = ReadsOfTest(reads.workspace, "b" * 64)
    other.mark(job(0.2))
    assert other.repeated([job(0.2)]) == 0


def test_a_mark_that_was_cut_off_marks_nothing_for_test_was_not_read_yet(reads, tmp_path):
    reads.mark(job(0.1))
    (path,) = tmp_path.glob("test_reads/*/*.json")
    path.write_text(path.read_text()[:12])
    reads.mark(job(0.2))
    assert reads.repeated([job(0.2)]) == 0
