"""How a bucket is cut into chunks and what a resume does again; no Ray."""

import threading

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.base.errors import StageError
from hnlm_ray.config import Config
from hnlm_ray.llm.rows import stream as batch
from hnlm_ray.llm.rows.attempts import Outcome, outcome_table
from hnlm_ray.llm.rows.buckets import bucket_chunks, chunk_rows, cut_chunks, done_at_start, gather_bucket, plan_bucket
from hnlm_ray.llm.rows.job import LLMTask, RowJob, RowPrompt
from hnlm_ray.llm.rows.journal import Journal, chunk_name
from hnlm_ray.llm.text.answers import AnswerFormat, Parsed
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.workspace import ChunkedTable, Workspace


def rows(numbers):
    return [RowPrompt((number,), {"title": str(number)}, cut=number, defused=number == 1) for number in numbers]


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)), st.integers(1, 9))
def test_every_row_that_is_not_done_is_in_one_chunk(numbers, done, size):
    chunks = list(cut_chunks(rows(numbers), {(number,) for number in done}, size))
    keys = [prompt.key for chunk in chunks for prompt in chunk]
    assert keys == sorted({(number,) for number in numbers} - {(number,) for number in done})
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert all(chunks)


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
        prompt=load_prompt("item_profile.v1"),
        simple=load_prompt("item_profile.simple.v1"),
        buckets=1,
        prompts=lambda _: rows(range(5)),
    )
    tree = {"name": "x", "workspace": str(tmp_path), "source": {"format": "movielens_100k"}}
    config = Config.model_validate(tree | {"llm": {"engine": "scripted", "batch_rows": 2}})
    workspace = Workspace.open(str(tmp_path))
    return RowJob(task, config, workspace, ChunkedTable(workspace.table(task.table), "c" * 64, "f" * 64))


def write(job, statuses, first=0):
    asked = rows(range(first, first + len(statuses)))
    fields = {"summarization": "a", "reasoning": "b"}
    outcomes = [Outcome(Parsed(status, fields if status == "ok" else {}), 1, 10, 5, "p:1") for status in statuses]
    job.table.write(chunk_name(0, [row.key for row in asked]), outcome_table(job, asked, outcomes))


def test_a_resume_asks_again_for_rows_that_a_failing_engine_lost_and_keeps_the_others(job):
    write(job, ["ok", "engine_error", "invalid"])
    plan = plan_bucket(job, 0)
    assert (plan.total, plan.done, plan.tokens_in, plan.tokens_out) == (5, 2, 30, 15)  # what the lost row took is spent
    assert done_at_start(job.table, 0) == {(0,), (2,)}


def test_a_task_that_is_repeated_yields_the_same_chunks_though_some_were_written_meanwhile(job):
    write(job, ["ok"])
    plan_bucket(job, 0)
    chunks = list(bucket_chunks(job, 0))
    assert [[row.key[0] for row in chunk_rows(chunk["rows"])] for chunk in chunks] == [[1, 2], [3, 4]]
    write(job, ["ok", "ok"], first=1)
    assert list(bucket_chunks(job, 0)) == chunks


def test_a_row_keeps_what_its_prompt_left_out_on_its_way_to_an_engine(job):
    plan_bucket(job, 0)
    (first, *_) = bucket_chunks(job, 0)
    assert chunk_rows(first["rows"]) == rows([0, 1])


def test_a_run_that_begins_blames_nobody_who_was_asked_together_with_others(job):
    journal = Journal(job.table, 0)
    keys = [(0,), (1,)]
    journal.begin(journal.next_piece(keys))
    assert journal.next_piece(keys).alone
    plan_bucket(job, 0)
    assert not journal.next_piece(keys).alone
    for _ in range(2):
        journal.begin(journal.next_piece(keys))
    plan_bucket(job, 0)
    assert len(journal.next_piece(keys).rows) == 1


def test_the_summary_accounts_for_every_row(job):
    write(job, ["ok", "none", "invalid", "ok", "ok"])
    outcome = batch._outcome(job, 5, gather_bucket(job, 0))
    assert (outcome.rows.ok, outcome.rows.none, outcome.rows.failed, outcome.rows.todo) == (3, 1, 1, 0)
    assert outcome.failed_by_reason == {"invalid": 1}
    assert (outcome.tokens.tokens_in, outcome.tokens.tokens_out) == (50, 25)
    table = job.store.read_parts(job.store.parts(job.table.final))
    assert table["prompt_cut"].to_pylist() == [0, 1, 2, 3, 4]
    assert table["prompt_defused"].to_pylist() == [False, True, False, False, False]


def test_too_many_failed_rows_stop_the_stage_with_their_reason(job):
    write(job, ["ok", "invalid", "invalid", "truncated", "invalid"])
    summary = gather_bucket(job, 0)
    with pytest.raises(StageError, match=r"4 of 5 rows failed, most as 'invalid'"):
        batch._outcome(job, 5, summary)


def test_a_row_twice_is_never_published(job):
    write(job, ["ok", "ok"])
    table = job.table.read(job.table.written().values())
    job.table.write("b00000-again", pa.concat_tables([table.slice(1)]))
    with pytest.raises(StageError, match="rows twice"):
        gather_bucket(job, 0)


def test_a_stage_waits_for_an_answer_only_so_long():
    first = {"rows": 1}

    def answers():
        yield first
        threading.Event().wait()

    waiting = batch._with_timeout(answers(), 0.2)
    assert next(waiting) is first
    with pytest.raises(StageError, match=r"no answer .* in 0 s: see the log, or raise llm.start_timeout_s"):
        next(waiting)
