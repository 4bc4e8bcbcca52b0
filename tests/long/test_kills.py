"""Ten kills at random moments, then the same command: as if nothing had happened."""

import os
import random
from subprocess import TimeoutExpired

import pytest
from killed_run import KilledRun

from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.tables import KEYS, TABLES

CONFIG = os.path.join(os.path.dirname(__file__), "../../configs/demo.yaml")
SMALL = (
    "prepare.max_users=60",
    "prepare.user_core=5",
    "prepare.item_core=4",
    "llm.batch_rows=4",
    "cf.epochs=8",
    "tune.trials=2",
    "tune.seeds=2",
    "tune.models=[lightgcn]",
)
SCRIPTED = ("llm.engine=scripted", "llm.scripted.seconds_per_row=0.3", "llm.encoder=trigrams")
VLLM = ("prepare.max_users=40", "prepare.item_core=6")  # fewer rows: a real engine takes its time
DETERMINISTIC = ("raw_interactions", "raw_items", "rejected_lines", "interactions", "users", "items", "reviews")
WRITTEN_BY_LLM = ("item_profiles", "user_profiles", "semantic_negatives", "negative_pool")
KILLS = 10


def run_in(workspace, settings):
    sets = [part for value in settings for part in ("--set", value)]
    return KilledRun("run", "--config", CONFIG, "--workspace", workspace, *sets)


def keys_of(workspace, table):
    rows = workspace.table(table).read(list(KEYS[table]))
    keys = list(zip(*(rows[name].to_pylist() for name in KEYS[table]), strict=True))
    assert len(keys) == len(set(keys)), f"{table} has rows twice"
    return set(keys)


def table_bytes(workspace, table):
    return [open(path, "rb").read() for path in workspace.table(table).paths()]


def without_times(workspace, table):
    rows = workspace.table(table).read().to_pylist()
    points = {"epoch", "loss", "validation"}
    return [
        {name: value for name, value in row.items() if name not in {"seconds", "cpu_seconds", "started_epoch"}}
        | {"curve": [{name: point[name] for name in points} for point in row["curve"]]}
        for row in rows
    ]


def same(killed, undisturbed, engine):
    """Compare a run that was killed with one that was not."""
    for table in DETERMINISTIC:
        assert table_bytes(killed, table) == table_bytes(undisturbed, table), table
    for table in KEYS:
        assert keys_of(killed, table) == keys_of(undisturbed, table), table
    if engine == "scripted":
        for table in WRITTEN_BY_LLM:
            assert table_bytes(killed, table) == table_bytes(undisturbed, table), table
        for table in ("trials", "results"):
            assert without_times(killed, table) == without_times(undisturbed, table), table
    assert all(killed.table(name).manifest() is not None for name in TABLES)


@pytest.mark.long
@pytest.mark.timeout(4000)
@pytest.mark.parametrize(("engine", "settings", "longest"), [("scripted", SCRIPTED, 20), ("vllm", VLLM, 75)])
def test_ten_kills_change_nothing(tmp_path, engine, settings, longest):
    undisturbed = Workspace.open(str(tmp_path / "undisturbed"))
    run_in(undisturbed.root, SMALL + settings).finish(timeout=900)
    draw, kills, finished = random.Random(13), 0, 0
    while kills < KILLS:
        killed = Workspace.open(str(tmp_path / f"killed-{finished}"))
        run = run_in(killed.root, SMALL + settings)
        kills += kill_until_finished(run, draw, KILLS - kills, longest)
        same(killed, undisturbed, engine)
        finished += 1
    print(f"{engine}: {kills} kills over {finished} runs, each of which then finished as if undisturbed")


def kill_until_finished(run, draw, most, longest):
    """Kill a run at random moments, at most ``most`` times, then let it finish; returns how often."""
    kills = 0
    while kills < most:
        process = run.start()
        try:
            output, _ = process.communicate(timeout=draw.uniform(2, longest))
        except TimeoutExpired:
            run.kill(process)
            kills += 1
        else:
            assert process.returncode == 0, output
            break
        assert run.wait_until_gone() == []
    run.finish(timeout=900)
    assert run.wait_until_gone() == []
    return kills
