"""Rows that are asked again: set aside at any point of a kill, never lost, never twice, what they took adds up."""

import contextlib

import pyarrow as pa
import pytest

from hnlm_ray.config import Config
from hnlm_ray.llm.rows.buckets import (
    BucketPlan,
    bucket_chunks,
    chunk_rows,
    gather_bucket,
    plan_bucket,
    set_aside,
    spent_before,
)
from hnlm_ray.llm.rows.job import RowJob, RowPrompt, RowTask, Spent
from hnlm_ray.llm.rows.journal import Journal, chunk_name
from hnlm_ray.workspace import ChunkedTable, Workspace
from hnlm_ray.workspace.stage import parse_retry
from hnlm_ray.workspace.table_store import TableStore

ROWS = 6


class Killed(BaseException):
    """What no handler catches."""


@pytest.fixture
def make_job(tmp_path):
    def make_job(retry=None, chunks="c" * 64, final="f" * 64):
        task = RowTask("item_profiles", ("item",), 1, lambda _: [RowPrompt((n,), {}) for n in range(ROWS)])
        tree = {"name": "x", "workspace": str(tmp_path), "source": {"format": "movielens_100k"}}
        config = Config.model_validate(tree | {"llm": {"engine": "scripted", "batch_rows": 4}})
        workspace = Workspace.open(str(tmp_path))
        table = ChunkedTable(workspace.table(task.table), chunks, final)
        return RowJob(task, config, workspace, table, retry=retry)

    return make_job


def outcomes(statuses, before=None):
    before = before or {}
    return [
        {
            "item": item,
            "status": status,
            "attempts": 2 + before.get((item,), Spent()).attempts,
            "tokens_in": 10 + before.get((item,), Spent()).tokens_in,
            "tokens_out": 5 + before.get((item,), Spent()).tokens_out,
            "prompt_version": "p",
            "model": "m",
            "prompt_cut": 0,
            "prompt_defused": False,
        }
        for item, status in statuses.items()
    ]


def write(job, statuses, before=None):
    """Write a chunk as a worker does."""
    table = pa.Table.from_pylist(outcomes(statuses, before), schema=job.store.schema)
    job.table.write(chunk_name(0, [(item,) for item in statuses]), table)


def to_do(job):
    return {row.key[0]: row.before for chunk in bucket_chunks(job, 0) for row in chunk_rows(chunk["rows"])}


def work(job, status="ok"):
    """Do what is to do, as the workers would."""
    for chunk in bucket_chunks(job, 0):
        rows = chunk_rows(chunk["rows"])
        assert Journal(job.table, 0).next_piece([row.key for row in rows]) is not None
        write(job, {row.key[0]: status for row in rows}, {row.key: row.before for row in rows})


def rows_of(job):
    return {row["item"]: row for row in job.store.read_parts(job.store.parts(job.table.final)).to_pylist()}


def test_rows_that_a_failing_engine_lost_are_asked_again_and_what_they_took_is_kept(make_job):
    job = make_job()
    write(job, {0: "ok", 1: "engine_error", 2: "invalid"})
    assert plan_bucket(job, 0) == BucketPlan(ROWS, 2, tokens_in=30, tokens_out=15)
    assert to_do(job) == {1: Spent(2, 10, 5), 3: Spent(), 4: Spent(), 5: Spent()}


def test_a_chunk_whose_rows_are_all_asked_again_can_be_written_again(make_job):
    job = make_job()
    write(job, {0: "engine_error", 1: "engine_error", 2: "engine_error", 3: "engine_error"})
    plan_bucket(job, 0)
    work(job)
    gather_bucket(job, 0)
    assert {item: (row["status"], row["attempts"]) for item, row in rows_of(job).items()} == {
        **dict.fromkeys(range(4), ("ok", 4)),
        4: ("ok", 2),
        5: ("ok", 2),
    }


def test_a_retry_of_an_unfinished_stage_asks_for_its_statuses_alone(make_job):
    job = make_job(parse_retry("failed:truncated"))
    write(job, {0: "truncated", 1: "invalid", 2: "ok"})
    plan_bucket(job, 0)
    assert set(to_do(job)) == {0, 3, 4, 5}


def test_what_a_row_took_is_known_after_retries_of_several_statuses_and_none_of_them_worked(make_job):
    first = make_job(parse_retry("failed:truncated"))
    write(first, {0: "truncated", 1: "invalid", 2: "ok"})
    plan_bucket(first, 0)
    second = make_job(parse_retry("failed:invalid"))
    plan_bucket(second, 0)
    assert spent_before(second, 0) == dict.fromkeys([(0,), (1,)], Spent(2, 10, 5))


def test_each_retry_adds_to_what_those_before_took(make_job):
    job = make_job(parse_retry("failed"))
    write(job, dict.fromkeys(range(ROWS), "invalid"))
    for _ in range(3):
        plan_bucket(job, 0)
        work(job, "invalid")
    gather_bucket(job, 0)
    assert {(row["attempts"], row["tokens_in"]) for row in rows_of(job).values()} == {(8, 40)}


@pytest.fixture
def published(make_job):
    """A published table: two rows of it failed."""
    job = make_job()
    statuses = {0: "ok", 1: "invalid", 2: "none", 3: "truncated", 4: "ok", 5: "engine_error"}
    write(job, statuses)
    gather_bucket(job, 0)
    return job


def revised(make_job, wanted, published):
    retry = parse_retry(wanted).of_table(published.table.final)
    return make_job(retry, "d" * 64, retry.revision)


def test_a_retry_of_a_published_table_keeps_its_other_rows_as_they_are(make_job, published):
    job = revised(make_job, "failed", published)
    plan = plan_bucket(job, 0)
    assert (plan.total, plan.done, plan.tokens_in) == (ROWS, 3, 60)
    assert to_do(job) == dict.fromkeys([1, 3, 5], Spent(2, 10, 5))
    work(job)
    gather_bucket(job, 0)
    before, after = rows_of(published), rows_of(job)
    assert {item: row for item, row in after.items() if item in {0, 2, 4}} == {n: before[n] for n in (0, 2, 4)}
    assert {(after[n]["status"], after[n]["attempts"], after[n]["tokens_out"]) for n in (1, 3, 5)} == {("ok", 4, 10)}


def test_a_retry_of_one_status_keeps_even_rows_that_an_engine_lost(make_job, published):
    job = revised(make_job, "failed:truncated", published)
    for _ in range(2):
        plan_bucket(job, 0)
        assert set(to_do(job)) == {3}


def test_a_retry_that_was_stopped_asks_only_for_what_it_had_not_finished(make_job, published):
    job = revised(make_job, "failed", published)
    plan_bucket(job, 0)
    write(job, {1: "invalid"}, spent_before(job, 0))
    plan_bucket(job, 0)
    assert set(to_do(job)) == {3, 5}
    work(job)
    summary = gather_bucket(job, 0)
    assert (summary.rows, summary.tokens_in) == (ROWS, 90)
    assert rows_of(job)[1]["attempts"] == 4


@pytest.mark.parametrize("writes", range(5))
@pytest.mark.parametrize("of_table", [True, False])
def test_a_kill_at_any_write_while_rows_are_set_aside_loses_nothing(make_job, published, monkeypatch, writes, of_table):
    job = revised(make_job, "failed", published) if of_table else make_job(parse_retry("failed"))
    write_part, left = TableStore.write_part, [writes]

    def killed_at_last(*arguments):
        if not left[0]:
            raise Killed
        left[0] -= 1
        return write_part(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(TableStore, "write_part", killed_at_last)
        with contextlib.suppress(Killed):
            set_aside(job, 0)
    plan = plan_bucket(job, 0)
    assert (plan.total, plan.done, plan.tokens_in) == (ROWS, 3, 60)
    assert to_do(job) == dict.fromkeys([1, 3, 5], Spent(2, 10, 5))
