"""How a bucket is cut into chunks and what a resume does again; no Ray."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.config import Config
from hnlm_ray.errors import StageError
from hnlm_ray.llm import batch
from hnlm_ray.llm.answers import AnswerFormat, Parsed
from hnlm_ray.llm.bucket import BucketPlan, chunk_name, cut_chunks, done_keys, gather_bucket, outcome_table, plan_bucket
from hnlm_ray.llm.engine import Outcome
from hnlm_ray.llm.job import LLMTask, RowJob, RowPrompt
from hnlm_ray.workspace import Workspace


def rows(numbers):
    return [RowPrompt((number,), []) for number in numbers]


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)), st.integers(1, 9))
def test_every_row_that_is_not_done_is_in_one_chunk(numbers, done, size):
    done_keys = {(number,) for number in done}
    chunks = list(cut_chunks(rows(numbers), done_keys, size))
    keys = [prompt.key for chunk in chunks for prompt in chunk]
    assert keys == sorted({(number,) for number in numbers} - done_keys)
    assert all(0 < len(chunk) <= size for chunk in chunks)


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(1, 9), st.data())
def test_a_repeated_task_yields_the_chunks_that_are_left_unchanged(numbers, size, data):
    chunks = list(cut_chunks(rows(numbers), set(), size))
    written = data.draw(st.sets(st.integers(0, len(chunks) - 1)))
    done = {prompt.key for place in written for prompt in chunks[place]}
    left = [chunk for place, chunk in enumerate(chunks) if place not in written]
    assert list(cut_chunks(rows(numbers), done, size)) == left


def test_a_chunk_is_named_by_its_bucket_and_keys():
    assert chunk_name(3, [(1,), (2,)]) == chunk_name(3, [(1,), (2,)])
    assert len({chunk_name(3, [(1,)]), chunk_name(4, [(1,)]), chunk_name(3, [(2,)])}) == 3
    assert chunk_name(3, [(1,)]).startswith("b00003-")


@pytest.fixture
def job(tmp_path):
    task = LLMTask(
        table="item_profiles",
        keys=("item",),
        expected=AnswerFormat({"summarization": 40, "reasoning": 40}),
        columns={"summarization": "summary", "reasoning": "reasoning"},
        max_tokens=32,
        prompt_version="p:1",
        buckets=1,
        prompts=lambda _: rows(range(5)),
    )
    tree = {"name": "x", "workspace": str(tmp_path), "source": {"format": "movielens_100k"}}
    config = Config.model_validate(tree | {"llm": {"engine": "scripted"}})
    return RowJob(task, config, Workspace.open(str(tmp_path)), "c" * 64, "f" * 64)


def write(job, statuses):
    keys = [(number,) for number in range(len(statuses))]
    fields = {"summarization": "a", "reasoning": "b"}
    outcomes = [Outcome(Parsed(status, fields if status == "ok" else {}), 1, 10, 5) for status in statuses]
    job.store.write_part(job.chunks, chunk_name(0, keys), outcome_table(job, keys, outcomes))


def test_a_resume_asks_again_for_rows_that_a_failing_engine_lost_and_keeps_the_others(job):
    write(job, ["ok", "engine_error", "invalid"])
    plan = plan_bucket(job, 0)
    assert plan == BucketPlan(total=5, done=2)
    assert done_keys(job, 0) == {(0,), (2,)}


def test_the_summary_accounts_for_every_row(job):
    write(job, ["ok", "none", "invalid", "ok", "ok"])
    summary = gather_bucket(job, 0)
    outcome = batch._outcome(job.llm, 5, [summary])
    assert (outcome.rows.ok, outcome.rows.none, outcome.rows.failed, outcome.rows.todo) == (3, 1, 1, 0)
    assert outcome.failed_by_reason == {"invalid": 1}
    assert (outcome.tokens.tokens_in, outcome.tokens.tokens_out) == (50, 25)


def test_too_many_failed_rows_stop_the_stage_with_their_reason(job):
    write(job, ["ok", "invalid", "invalid", "truncated", "invalid"])
    summary = gather_bucket(job, 0)
    with pytest.raises(StageError, match=r"4 of 5 rows failed, most as 'invalid'"):
        batch._outcome(job.llm, 5, [summary])


def test_a_row_twice_is_never_published(job):
    write(job, ["ok", "ok"])
    part = job.store.parts(job.chunks)[0]
    table = job.store.read_parts([part])
    job.store.write_part(job.chunks, "b00000-again", pa.concat_tables([table.slice(1)]))
    with pytest.raises(StageError, match="rows twice"):
        gather_bucket(job, 0)
