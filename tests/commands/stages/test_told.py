"""What took much of the data is shown where a stage ends, where it is skipped, and by `hnlm status`."""

import io
from types import SimpleNamespace

from rich.console import Console

from hnlm_ray.commands.stages.narration import say_finished, say_plan
from hnlm_ray.commands.stages.stage_rows import show_status, told_of
from hnlm_ray.workspace import Manifest

COUNTS = {"rows": 100, "below_rating": 0, "outside_window": 0, "repeats": 40, "repeated_pairs": 9}
COUNTS |= {"taken_back": 0, "dropped_by_sample_and_kcore": 54, "train": 6, "validation": 0, "test": 0}
SETTINGS = {"prepare.user_core": 8, "prepare.item_core": 5}
MANIFEST = Manifest(table="interactions", stage="prepare", fingerprint="f", counts=COUNTS, depends_on=SETTINGS)
WARNING = "the k-core took 90% of the positives (54 of 60): lower prepare.user_core 8 or prepare.item_core 5"


def shown(say, *arguments):
    console = Console(file=io.StringIO(), width=200)
    say(console, *arguments)
    return console.file.getvalue()


def test_a_stage_that_ends_tells_it():
    status = SimpleNamespace(stage=SimpleNamespace(name="prepare"), manifest=MANIFEST)
    told = shown(say_finished, status).splitlines()
    assert f"    warning: {WARNING}" in told
    assert told[-1].startswith("    note: 40 repeats of 9 pairs: bought, seen or rated again")


def test_a_stage_that_is_skipped_warns_again():
    stage = SimpleNamespace(name="prepare", resumes=False)
    status = SimpleNamespace(stage=stage, state="fresh", reason="unchanged", manifest=MANIFEST)
    told = shown(say_plan, "name", SimpleNamespace(uri="ws"), [status], "log")
    assert f"    warning: {WARNING}" in told.splitlines()
    assert "repeats" not in told


def test_status_tells_it_below_the_table():
    warnings, notes = told_of(MANIFEST)
    row = {"name": "prepare", "state": "fresh", "reason": "", "repaired": 0, "failed_by_reason": {}, "seconds": 1.0}
    row |= {"rows": {"ok": 6, "none": 0, "failed": 0, "todo": 0}, "tokens": {"in": 0, "out": 0}, "planned": None}
    told = shown(show_status, "ws", [row | {"outputs": ["interactions"], "warnings": warnings, "notes": notes}])
    assert f"warning: prepare: {WARNING}" in told
    assert "note: prepare: 40 repeats of 9 pairs" in told


def test_tables_of_other_stages_tell_nothing():
    assert told_of(MANIFEST.model_copy(update={"stage": "teacher"})) == ([], [])
