"""Failed rows asked again on a real local Ray: nothing else changes, nothing is asked twice, what they took adds up."""

import contextlib
import io
import time

import pyarrow.compute as pc
import pytest
from killed_run import KilledRun
from one_ray import connected
from rich.console import Console
from small_run import ITEMS, small_config, write_split

from hnlm_ray.base.errors import StageError
from hnlm_ray.base.progress import LineProgress
from hnlm_ray.pipeline.retry import run_retry
from hnlm_ray.pipeline.run import run_stages
from hnlm_ray.pipeline.status import find_stage, statuses
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.stage import chunks_of, parse_retry

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
OFTEN = {"bad_json": 0.4, "engine_error": 0.1}


def console():
    return Console(file=io.StringIO())


def profiles(workspace):
    return {row["item"]: row for row in workspace.table("item_profiles").read().to_pylist()}


def failed(rows):
    return {item for item, row in rows.items() if row["status"] not in {"ok", "none"}}


class OnRay:
    """Runs and retries item_profiles; Ray starts once, and only where a row is to be asked."""

    def __init__(self, config, stack):
        self.config, self.workspace, self.stack = config, Workspace.open(config.workspace), stack
        self.started = False

    def prepare(self, stages):
        if not self.started:
            self.stack.enter_context(connected(self.config, stages))
        self.started = True

    def run(self, last):
        progress, only = LineProgress(console()), find_stage(last)
        return [
            status.stage.name for status in run_stages(self.config, self.workspace, progress, self.prepare, only=only)
        ]

    def retry(self, wanted):
        options = {"stage": find_stage("item_profiles"), "wanted": parse_retry(wanted)}
        return run_retry(self.config, self.workspace, LineProgress(console()), self.prepare, **options)


@pytest.fixture
def on_ray(tmp_path):
    """Return what makes a run of the LLM stages in which many rows fail."""
    source = write_split(tmp_path / "source", test_seed=1)
    with contextlib.ExitStack() as stack:

        def on_ray(**changes):
            often = {"llm__scripted": OFTEN, "llm__max_attempts": 1, **changes}
            return OnRay(small_config(source, tmp_path / "ws", **often), stack)

        yield on_ray


def test_retries_mend_what_failed_and_leave_the_rest(on_ray, tmp_path):
    work = on_ray(llm__max_failed_share=0.9)
    assert work.run("user_profiles")[-2:] == ["item_profiles", "user_profiles"]
    workspace = work.workspace
    first = before = profiles(workspace)
    assert len({row["status"] for row in before.values()}) == 3
    for wanted in ("failed:invalid", *["failed"] * 9):
        planned, status = work.retry(wanted)
        asked = {item for item in failed(before) if before[item]["status"] in planned.retry.statuses}
        assert planned.failed.total() == len(asked)
        after = profiles(workspace)
        assert set(after) == set(range(ITEMS))
        assert {i: row for i, row in after.items() if i not in asked} == {
            i: row for i, row in before.items() if i not in asked
        }
        assert all(after[item]["attempts"] == before[item]["attempts"] + 1 for item in asked)
        assert all(after[item]["tokens_in"] >= before[item]["tokens_in"] for item in asked)
        manifest = workspace.table("item_profiles").manifest()
        assert manifest.rows.failed == len(failed(after))
        spent = workspace.table("item_profiles").read(["tokens_in", "tokens_out"])
        assert manifest.tokens.tokens_in == pc.sum(spent["tokens_in"]).as_py()
        assert manifest.tokens.tokens_out == pc.sum(spent["tokens_out"]).as_py()
        before = after
        if not planned.failed:
            break
    assert not failed(before)
    assert failed(first)
    assert status.state == "fresh"
    later = {found.stage.name: (found.state, found.reason) for found in statuses(work.config, workspace)}
    assert later["item_profiles"][0] == "fresh"
    assert later["user_profiles"] == ("stale", "input item_profiles changes")
    folders = [path for path in (tmp_path / "ws" / "tables" / "item_profiles").iterdir() if path.is_dir()]
    assert len(folders) == 1


def test_a_stage_that_too_many_rows_failed_in_goes_on_with_a_retry(on_ray):
    work = on_ray(llm__max_failed_share=0.1)
    with pytest.raises(StageError, match="rows failed"):
        work.run("item_profiles")
    workspace = work.workspace
    assert workspace.table("item_profiles").manifest() is None
    for _ in range(9):
        with contextlib.suppress(StageError):
            planned, status = work.retry("failed")
            break
    assert not planned.retry.of
    assert status.state == "fresh"
    rows = profiles(workspace)
    assert set(rows) == set(range(ITEMS))
    assert len(failed(rows)) <= 0.1 * ITEMS
    assert {row["attempts"] for row in rows.values()} > {1, 2}
    assert workspace.table("item_profiles").manifest().revision == ""


@pytest.mark.long
def test_a_killed_retry_leaves_the_table_and_goes_on_where_it_was(tmp_path):
    source = write_split(tmp_path / "source", test_seed=1)
    llm = {"engine": "scripted", "encoder": "trigrams", "max_attempts": 1, "max_failed_share": 0.9}
    llm |= {"batch_rows": 2, "max_num_seqs": 1, "scripted": {"bad_json": 0.6, "seconds_per_row": 1.0}}
    config = small_config(source, tmp_path / "ws", llm=llm)
    file = tmp_path / "small.yaml"
    file.write_text(config.model_dump_json(exclude_unset=True))
    KilledRun("stage", "item_profiles", "--config", file).finish(timeout=300)
    workspace = Workspace.open(config.workspace)
    store, before = workspace.table("item_profiles"), profiles(workspace)
    manifest = store.manifest()
    revision = parse_retry("failed").of_table(manifest.content).revision
    assert len(failed(before)) > 12

    def written():
        return [part for part in store.parts(chunks_of(revision)) if not part.path.endswith("-kept.parquet")]

    retry = KilledRun("stage", "item_profiles", "--retry", "failed", "--config", file)
    process = retry.start()
    deadline = time.monotonic() + 240
    while not written() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    assert process.poll() is None, process.stdout.read()
    retry.kill(process)
    assert retry.wait_until_gone() == []
    assert (store.manifest(), profiles(workspace)) == (manifest, before)
    # What the killed retry had finished is told from what the next one asks again.
    done = written()[0]
    marked = store.read_parts([done])
    marked = marked.set_column(
        marked.schema.get_field_index("model"),
        "model",
        pc.binary_join_element_wise(marked["model"], "of the killed one", " "),
    )
    store.write_part(chunks_of(revision), done.path.rsplit("/", 1)[1].removesuffix(".parquet"), marked)

    output = retry.finish(timeout=300)
    assert f"item_profiles: {len(failed(before))} failed rows are asked again (invalid {len(failed(before))})" in output
    after = profiles(workspace)
    assert set(after) == set(range(ITEMS))
    assert store.manifest().content == revision
    assert {item for item, row in after.items() if "killed" in row["model"]} == set(marked["item"].to_pylist())
    assert {after[item]["attempts"] for item in failed(before)} == {2}
    assert {item: row for item, row in after.items() if item not in failed(before)} == {
        item: row for item, row in before.items() if item not in failed(before)
    }
