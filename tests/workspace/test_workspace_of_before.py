"""A workspace that version 0.1.0 has finished: nothing of it is run again, and what it has begun goes on.

``version_0_1_0/workspace.tar.gz`` holds self-made data (12 users, 14 items), ``config.yaml`` and two workspaces. ``ws``
is of ``hnlm run --config config.yaml`` with all stages, without report and logs; the tuned LLM's ``model.safetensors``
has zeros for weights, which pack to nothing (a file of a model counts as whole by its size). In ``interrupted`` the
stage ``item_profiles`` was killed (kill -9) with 12 of 14 rows done. ``version_0_1_0/fingerprints.json`` holds the
fingerprints of other configurations' stages, as if their source had no files.

Where a stage's rows are meant to change, its ``version`` rises, the changelog says so, and both files are made anew.
"""

import contextlib
import io
import json
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from one_ray import connected
from rich.console import Console

from hnlm_ray.base.progress import LineProgress
from hnlm_ray.config.loading import load_config
from hnlm_ray.pipeline.run import run_stages
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.pipeline.status import statuses
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.stage import chunks_of

KEPT = Path(__file__).parent / "version_0_1_0"
NAMES = (
    *("ingest", "prepare", "item_profiles", "user_profiles", "candidates", "judgements", "semantic_negatives"),
    *("teacher", "records", "finetune", "finetune_eval", "embeddings", "negative_pool"),
    *("trials", "results", "final_model", "recommendations"),
)
AS_INTERRUPTED = ("workspace=interrupted", "llm.scripted.seconds_per_row=0.5", "llm.batch_rows=2")


@pytest.fixture
def before(tmp_path, monkeypatch):
    """Unpack what is kept and go there: its configuration names relative paths."""
    with tarfile.open(KEPT / "workspace.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hnlm(command):
    """Return what a command prints with --json; were anything to run, it would fail: there is no such Ray."""
    options = ("--config", "config.yaml", "--json", "--set", "ray.address=127.0.0.1:9")
    called = [sys.executable, "-m", "hnlm_ray.cli", command, *options]
    done = subprocess.run(called, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_of_it_is_run_again(before):
    kept = {name: contents(before / "ws" / name) for name in ("tables", "models", "checkpoints", "test_reads")}
    assert all(kept.values())
    for command in ("status", "run", "status"):
        answer = hnlm(command)
        assert {stage["name"]: stage["state"] for stage in answer["stages"]} == dict.fromkeys(NAMES, "fresh")
        assert answer.get("ran", []) == []
    assert {name: contents(before / "ws" / name) for name in kept} == kept


def test_a_stage_with_another_fingerprint_is_not_fresh(before):
    given = opened()
    for place, name in enumerate(NAMES):
        changed = [replace(stage, depends_on=lambda _: {}) if stage.name == name else stage for stage in STAGES]
        states = [found.state for found in statuses(*given, changed)]
        assert states[: place + 1] == ["fresh"] * place + ["stale"]


def opened(*changes):
    config = load_config("config.yaml", changes)
    return config, Workspace.open(config.workspace)


def test_a_stage_it_has_begun_goes_on_where_it_was(before):
    (found,) = (found for found in statuses(*opened(*AS_INTERRUPTED)) if found.stage.name == "item_profiles")
    assert (found.state, found.done_rows) == ("partial", 12)
    (other,) = (found for found in statuses(*opened(*AS_INTERRUPTED, "seed=1")) if found.stage.name == "item_profiles")
    assert (other.state, other.done_rows) == ("missing", 0)


@pytest.mark.real
def test_its_rows_that_are_done_are_not_asked_again(before):
    config, workspace = opened(*AS_INTERRUPTED)
    (found,) = (found for found in statuses(config, workspace) if found.stage.name == "item_profiles")
    store, chunks = workspace.table("item_profiles"), chunks_of(found.fingerprint)
    for part in store.parts(chunks):
        rows = store.read_parts([part])
        marked = rows.set_column(rows.schema.get_field_index("summary"), "summary", pa.array(["kept"] * len(rows)))
        store.write_part(chunks, Path(part.path).stem, marked)
    with contextlib.ExitStack() as stack:
        ran = run_stages(
            config,
            workspace,
            LineProgress(Console(file=io.StringIO())),
            lambda stages: stack.enter_context(connected(config, stages)),
            only=found.stage,
        )
        assert [status.stage.name for status in ran] == ["item_profiles"]
    summaries = store.read(["summary"])["summary"].to_pylist()
    assert (len(summaries), summaries.count("kept")) == (14, 12)


def fingerprints(repository, workspace, name, *changes):
    """Return the fingerprint of each stage of a shipped configuration, as if it had a source without files."""
    config = load_config(str(repository / "configs" / name), changes)
    ingest, *others = STAGES
    without_files = replace(ingest, depends_on=lambda _: {})
    return {found.stage.name: found.fingerprint for found in statuses(config, workspace, [without_files, *others])}


HTTP = ("llm.engine=http", "llm.http.base_url=http://127.0.0.1/v1", "llm.http.model=served", "llm.encoder=trigrams")
EVERYTHING = ("evidence.judge=true", "finetune.enabled=true", "tune.search=tpe", "tune.stopping=asha")
EVERYTHING += ("tune.models=[lightgcn,mf,ngcf]", "prepare.split.train_share=0.5", "teacher.cf.init=normal")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("demo.yaml", ()),
        ("demo.yaml", HTTP),
        ("demo.yaml", EVERYTHING),
        ("paper_7b.yaml", ()),
        ("paper_toys.yaml", ()),
        ("paper_yelp.yaml", ()),
    ],
)
def test_the_stages_of_other_configurations_are_made_from_what_they_were(repository, tmp_path, name, changes):
    kept = json.loads((KEPT / "fingerprints.json").read_text(encoding="utf-8"))
    found = fingerprints(repository, Workspace.open(str(tmp_path)), name, *changes)
    assert found == kept[" ".join((name, *changes))]
