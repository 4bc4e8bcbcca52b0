"""States, reasons, and what survives a kill: small stages, no Ray."""

import contextlib
from dataclasses import replace

import pytest
from ray.exceptions import RayTaskError

from hnlm_ray.base.errors import HnlmError, InputError, StageError
from hnlm_ray.config.loading import load_config
from hnlm_ray.pipeline import status as standing
from hnlm_ray.pipeline.run import run_stages, stage_error
from hnlm_ray.pipeline.status import find_stage, statuses
from hnlm_ray.workspace import Rows, Workspace
from hnlm_ray.workspace.session import Session, StageJournal, journal_path
from hnlm_ray.workspace.stage import Outcome, chunks_of
from hnlm_ray.workspace.table_store import TableStore


class NoProgress:
    def start(self, *_, **__):
        pass

    def advance(self, *_, **__):
        pass

    def finish(self):
        pass


@pytest.fixture
def stages(small_pipeline):
    return small_pipeline.STAGES


@pytest.fixture
def config(config_file):
    return load_config(str(config_file))


@pytest.fixture
def workspace(config):
    return Workspace.open(config.workspace)


def run(config, workspace, **options):
    return [status.stage.name for status in run_stages(config, workspace, NoProgress(), lambda _: None, **options)]


def states(config, workspace):
    return [status.state for status in statuses(config, workspace)]


def changed(config, **sections):
    updates = {name: getattr(config, name).model_copy(update=values) for name, values in sections.items()}
    return config.model_copy(update=updates)


def with_stage(monkeypatch, stages, name, **changes):
    monkeypatch.setattr(
        standing, "STAGES", tuple(replace(stage, **changes) if stage.name == name else stage for stage in stages)
    )


def test_everything_runs_once(stages, config, workspace):
    assert run(config, workspace) == [stage.name for stage in stages]
    assert states(config, workspace) == ["fresh"] * 4
    assert run(config, workspace) == []


def test_the_cluster_is_prepared_once_with_what_will_run_and_never_when_fresh(stages, config, workspace):
    asked = []
    list(run_stages(config, workspace, NoProgress(), asked.append))
    list(run_stages(config, workspace, NoProgress(), asked.append))
    assert asked == [list(stages)]


def test_a_cluster_that_cannot_be_had_leaves_nothing_begun(stages, config, workspace):
    def refuse(_):
        raise HnlmError("no Ray answers")

    with pytest.raises(HnlmError, match="no Ray answers"):
        list(run_stages(config, workspace, NoProgress(), refuse))
    assert states(config, workspace) == ["missing"] * 4
    assert run(config, workspace) != []


def test_only_stops_after_its_stage(stages, config, workspace):
    assert run(config, workspace, only=stages[1]) == ["ingest", "user_profiles"]
    assert run(config, workspace, only=stages[0]) == []


def test_all_reasons_of_staleness_are_named_and_many_are_counted(stages, config, workspace):
    run(config, workspace)
    other = changed(config, cf={"epochs": 999}, tune={"metric": "recall@20"})
    reason = statuses(other, workspace)[-1].reason
    assert f"cf.epochs: {config.cf.epochs} -> 999" in reason
    assert "tune.metric: ndcg@20 -> recall@20" in reason


def test_long_values_are_cut_and_missing_ones_are_unset(stages, config, workspace):
    run(config, workspace)
    other = changed(config, llm={"engine_kwargs": {"a": "x" * 99}})
    assert "llm.kwargs.a: unset -> xxxxxxxxxx..." in statuses(other, workspace)[1].reason


def test_secrets_enter_fingerprints_and_never_manifests(stages, config, workspace):
    one, two = (changed(config, llm={"engine_kwargs": {"hf_token": value}}) for value in ("s3cr3t", "other"))
    run(one, workspace)
    assert "s3cr3t" not in workspace.table("user_profiles").manifest().model_dump_json()
    status = statuses(two, workspace)[1]
    assert status.state == "stale"
    assert "s3cr3t" not in status.reason


def test_newer_code_of_a_stage_makes_it_stale(stages, config, workspace, monkeypatch):
    run(config, workspace)
    with_stage(monkeypatch, stages, "negatives", version=2)
    found = statuses(config, workspace)
    assert [status.state for status in found] == ["fresh", "fresh", "stale", "stale"]
    assert found[2].reason == "the code of stage negatives is newer"


def test_what_a_fingerprint_does_not_hold_can_change_freely(stages, config, workspace):
    run(config, workspace)
    assert states(changed(config, llm={"max_num_seqs": 3}, tune={"concurrent": 1}), workspace) == ["fresh"] * 4


@pytest.mark.parametrize("damage", ["delete", "truncate", "manifest"])
@pytest.mark.parametrize("table", ["interactions", "items"])
def test_damage_is_found_and_mended(stages, config, workspace, table, damage):
    run(config, workspace)
    whole = workspace.table(table).read()
    path = workspace.table(table).paths()[0]
    if damage == "delete":
        workspace.filesystem.delete_file(path)
    else:
        target = path if damage == "truncate" else f"{workspace.table(table).folder}/manifest.json"
        with workspace.filesystem.open_output_stream(target) as stream:
            stream.write(b"{")
    assert states(config, workspace) != ["fresh"] * 4
    assert run(config, workspace) == ["ingest"]
    assert workspace.table(table).read().equals(whole)
    assert states(config, workspace) == ["fresh"] * 4


class Killed(BaseException):
    """What no handler catches: the next line of the process never runs."""


@pytest.mark.parametrize("after", range(8))
def test_a_kill_at_any_publication_loses_nothing(stages, config, workspace, monkeypatch, after):
    published, publish = [], TableStore.publish

    def count_down(store, manifest):
        if len(published) == after:
            raise Killed
        published.append(store.name)
        publish(store, manifest)

    with monkeypatch.context() as patch:
        patch.setattr(TableStore, "publish", count_down)
        with contextlib.suppress(Killed):
            run(config, workspace)
    run(config, workspace)
    assert states(config, workspace) == ["fresh"] * 4
    undisturbed = Workspace.open(f"{config.workspace}-undisturbed")
    run(config, undisturbed)
    for stage in stages:
        for table in stage.outputs:
            assert workspace.table(table).read().equals(undisturbed.table(table).read())


def test_chunks_of_a_resuming_stage_survive_and_are_not_part_of_the_table(stages, config, workspace, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "user_profiles-2")
    with pytest.raises(StageError, match="stage user_profiles failed"):
        run(config, workspace)
    status = statuses(config, workspace)[1]
    assert (status.state, status.done_rows) == ("partial", 2)
    assert "the disk" in status.journal.error
    assert (status.journal.total, status.journal.done) == (4, 2)
    monkeypatch.delenv("FAKE_FAIL")
    run(config, workspace)
    table = workspace.table("user_profiles")
    assert table.read(["user"])["user"].to_pylist() == [0, 1, 2, 3]
    assert table.parts(chunks_of(status.fingerprint)) == ()
    assert workspace.read_json(journal_path("user_profiles"), StageJournal) is None


def test_half_a_chunk_is_made_again(stages, config, workspace, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "user_profiles-2")
    with pytest.raises(StageError):
        run(config, workspace)
    monkeypatch.delenv("FAKE_FAIL")
    store = workspace.table("user_profiles")
    chunk = store.parts(chunks_of(statuses(config, workspace)[1].fingerprint))[1]
    with workspace.filesystem.open_output_stream(f"{store.folder}/{chunk.path}") as stream:
        stream.write(b"PAR1")
    run(config, workspace)
    assert sorted(store.read(["user"])["user"].to_pylist()) == [0, 1, 2, 3]


def test_chunks_of_another_configuration_are_not_taken(stages, config, workspace, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "user_profiles-2")
    with pytest.raises(StageError):
        run(config, workspace)
    other = changed(config, profiles={"user_prompt": "mine"})
    assert states(other, workspace)[1] == "missing"


def test_rows_left_undone_fail_the_stage(stages, config, workspace, monkeypatch):
    with_stage(monkeypatch, stages, "negatives", run=lambda _: Outcome(Rows(ok=1, todo=2)))
    with pytest.raises(StageError, match="left 2 rows undone"):
        run(config, workspace)
    assert states(config, workspace)[2] == "partial"
    assert workspace.table("negative_pool").manifest() is None


def test_a_user_who_stops_is_noted(stages, config, workspace, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    with_stage(monkeypatch, stages, "negatives", run=stop)
    with pytest.raises(KeyboardInterrupt):
        run(config, workspace)
    assert statuses(config, workspace)[2].reason == "it was stopped by the user"


def test_a_running_stage_is_shown_as_running(stages, config, workspace):
    with Session(workspace) as session:
        session.begin("negatives", "f" * 64)
        assert states(config, workspace)[2] == "running"
    assert states(config, workspace)[2] == "missing"


def test_no_table_is_claimed_by_two_stages_and_inputs_come_earlier():
    from hnlm_ray.pipeline.stages import STAGES
    from hnlm_ray.workspace.tables import TABLES

    made = [table for stage in STAGES for table in stage.outputs]
    assert sorted(made) == sorted(TABLES)
    for position, stage in enumerate(STAGES):
        assert set(stage.inputs) <= {table for earlier in STAGES[:position] for table in earlier.outputs}
        assert find_stage(stage.name) is stage
    with pytest.raises(InputError, match="ingest"):
        find_stage("none")


def test_chunks_that_vanish_while_they_are_looked_at_are_no_error(stages, config, workspace, monkeypatch):
    from hnlm_ray.commands.stages.stage_rows import stage_row

    monkeypatch.setenv("FAKE_FAIL", "user_profiles-2")
    with pytest.raises(StageError):
        run(config, workspace)
    status = statuses(config, workspace)[1]
    gone = workspace.table("user_profiles").parts(chunks_of(status.fingerprint))
    workspace.table("user_profiles").remove_parts(chunks_of(status.fingerprint))
    monkeypatch.setattr(TableStore, "parts", lambda *_: gone)
    assert stage_row(status, workspace)["rows"] == {"ok": 2, "none": 0, "failed": 0, "todo": 2}


def test_an_error_of_a_worker_is_told_as_it_was_raised_there():
    own = InputError("column 'x' is missing: name another")
    wrapped = RayTaskError("task", "Traceback: File /somewhere ...", own).as_instanceof_cause()
    assert stage_error("prepare", wrapped) is own
    outer = RuntimeError("Ray Data failed")
    outer.__cause__ = wrapped
    assert stage_error("prepare", outer) is own
    foreign = RayTaskError("task", "Traceback: File /somewhere ...", OSError("disk full")).as_instanceof_cause()
    assert str(stage_error("prepare", foreign)) == "stage prepare failed: OSError: disk full"


def test_an_error_of_an_actor_that_is_being_made_is_told_though_ray_keeps_its_text_alone():
    text = "The actor died\nMemoryError\nhnlm_ray.base.errors.StageError: vLLM can't start: mend it\n"
    died = RuntimeError(text)
    died.__cause__ = SystemError()
    told = stage_error("item_profiles", died)
    assert isinstance(told, StageError)
    assert str(told) == "vLLM can't start: mend it"


def test_a_cause_without_a_text_does_not_hide_the_one_that_has_it():
    outer = RuntimeError("the disk is full")
    outer.__cause__ = SystemError()
    assert str(stage_error("prepare", outer)) == "stage prepare failed: RuntimeError: the disk is full"
    assert str(stage_error("prepare", MemoryError())) == "stage prepare failed: MemoryError"
