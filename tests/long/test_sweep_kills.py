"""`kill -9` at random moments of a search, then the same command: as if nothing had happened; memory stays."""

import random
import shutil
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import psutil
import pytest
from killed_run import KilledRun
from small_run import write_split

from hnlm_ray.workspace import Workspace

KILLS, TRIALS, METHODS = 5, 20, ("rns", "dns", "pns")
TIMES = {"seconds", "cpu_seconds", "started_epoch"}
CONFIG = """
name: kills
workspace: {folder}/unset
source: {{format: ngcf, path: {folder}/data}}
prepare: {{user_core: 1, item_core: 1, split: {{method: given, validation: 0.2}}}}
llm: {{engine: scripted, encoder: trigrams}}
finetune: {{enabled: false}}
ray: {{cpus: 4}}
cf: {{dim: 16, epochs: {epochs}, patience: {epochs}, batch_size: 32}}
tune:
  {{models: [mf], methods: [{methods}], trials: {trials}, concurrent: {concurrent}, seeds: 2,
   search: {search}, startup_trials: 5, stopping: {stopping}, grace_epochs: 50}}
"""


def write_config(folder, **changes):
    write_split(folder / "data", test_seed=1)
    settings = {"epochs": 400, "trials": TRIALS, "concurrent": 1, "search": "tpe", "stopping": "asha", **changes}
    settings.setdefault("methods", ", ".join(METHODS))
    (folder / "run.yaml").write_text(CONFIG.format(folder=folder, **settings), encoding="utf-8")
    return folder / "run.yaml"


def command(config, workspace, stage="results"):
    return KilledRun("stage", stage, "--config", config, "--workspace", workspace.root)


def rows_of(workspace, table):
    rows = workspace.table(table).read().to_pylist()
    return [
        {name: value for name, value in row.items() if name not in TIMES}
        | {"curve": [(point["epoch"], point["loss"], point["validation"]) for point in row["curve"]]}
        for row in rows
    ]


class Parts(threading.Thread):
    """Notes when each part of the search was written: one that is written again has two times, far apart."""

    def __init__(self, workspace):
        super().__init__(daemon=True)
        self.folder, self.times, self.over = Path(workspace.root) / "tables" / "trials", defaultdict(list), False

    def run(self):
        while not self.over:
            for path in self.folder.glob("*/mf-*.parquet"):
                try:
                    written = path.stat().st_mtime
                except FileNotFoundError:
                    continue
                if not self.times[path.name] or written - self.times[path.name][-1] > 1:
                    self.times[path.name].append(written)
            time.sleep(0.1)


def wait_for_trials(process, parts, finished):
    while len(parts.times) < finished:
        assert process.poll() is None, "the search ended before it was killed often enough"
        time.sleep(0.1)


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_five_kills_in_a_search_of_sixty_trials_change_nothing(tmp_path):
    config = write_config(tmp_path)
    undisturbed, killed = (Workspace.open(str(tmp_path / name)) for name in ("undisturbed", "killed"))
    command(config, undisturbed).finish(timeout=1500)
    run, parts, draw, moments = command(config, killed), Parts(killed), random.Random(), []
    parts.start()
    for finished in sorted(draw.sample(range(1, len(METHODS) * TRIALS - 2), KILLS)):
        process = run.start()
        wait_for_trials(process, parts, finished)
        time.sleep(draw.uniform(0, 1.5))
        run.kill(process)
        assert run.wait_until_gone() == []
        moments.append(len(parts.times))
    run.finish(timeout=1500)
    parts.over = True
    print(f"killed when {moments} of {len(parts.times)} trials were finished")
    assert len(parts.times) == len(METHODS) * TRIALS
    assert {name: len(times) for name, times in parts.times.items() if len(times) > 1} == {}
    assert rows_of(killed, "trials") == rows_of(undisturbed, "trials")
    results = [workspace.table("results").read().drop_columns(["seconds"]) for workspace in (killed, undisturbed)]
    assert results[0].equals(results[1])


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_a_long_training_goes_on_at_its_epoch(tmp_path):
    config = write_config(tmp_path, methods="rns", trials=1, epochs=15_000, search="random", stopping="none")
    undisturbed, killed = (Workspace.open(str(tmp_path / name)) for name in ("undisturbed", "killed"))
    command(config, undisturbed, "trials").finish(timeout=700)
    run = command(config, killed, "trials")
    process = run.start()
    states = Path(killed.root) / "tables" / "trials"
    while process.poll() is None and not list(states.glob("*/states/mf-rns-0-0/*")):
        time.sleep(0.1)
    time.sleep(1)
    run.kill(process)
    assert run.wait_until_gone() == []
    run.finish(timeout=700)
    (row,) = killed.table("trials").read().to_pylist()
    assert row["started_epoch"] > 0
    assert rows_of(killed, "trials") == rows_of(undisturbed, "trials")
    print(f"it went on after epoch {row['started_epoch']}")
    assert not list(states.glob("*/states"))


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_memory_does_not_grow_with_the_trials_done(tmp_path):
    config = write_config(
        tmp_path, methods="rns", trials=1500, epochs=2, concurrent=2, search="random", stopping="none"
    )
    workspace = Workspace.open(str(tmp_path / "ws"))
    run = command(config, workspace, "trials")
    process, seen = run.start(), {}
    while process.poll() is None:
        done = len(list((Path(workspace.root) / "tables" / "trials").glob("*/mf-*.parquet")))
        try:
            seen[done // 100] = psutil.Process(process.pid).memory_info().rss / 2**20
        except psutil.Error:
            break
        time.sleep(0.5)
    assert process.wait() == 0
    process.stdout.close()
    print("the driver's MiB by hundreds of trials done:", {n: round(mib) for n, mib in seen.items()}, file=sys.stderr)
    # What was there after six hundred, when Tune has begun anew once, is what there is at the end.
    assert seen[max(seen)] < 1.05 * seen[6]
    shutil.rmtree(workspace.root)
