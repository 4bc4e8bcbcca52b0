"""Twenty kills of drivers, engines and nodes under a stage: each row is there once, none is blamed, few come twice."""

import os
import random
import threading
import time
from collections import Counter

import pytest
from lost_processes import TwoNodes, files_of, profiles, stage, wait_for, write_items

ROWS, BATCH_ROWS, ENGINES, CHUNKS_IN_FLIGHT, KILLS = 2000, 4, 3, 4, 20
SETTINGS = {
    "ray__wait_for_nodes_s": 240,  # a driver may start while the second node is not back yet
    "llm__engines": ENGINES,
    "llm__cpus_per_engine": 1,
    "llm__batch_rows": BATCH_ROWS,
    "llm__max_num_seqs": 8,
    "llm__scripted__seconds_per_row": 2,
}
KINDS = ("driver", "engine", "node")


class KilledStage:
    """A stage under fire; ``open_chunks``: how many were being asked when something was killed."""

    def __init__(self, root, nodes, draw):
        self._root, self._nodes, self._draw = root, nodes, draw
        self._run = stage(
            "item_profiles", write_items(root, ROWS), nodes.environment, ray__address=nodes.address, **SETTINGS
        )
        self._process = self._run.start()
        self._coming = threading.Thread()
        self._coming.start()
        self.open_chunks = []

    def parts(self):
        return len(files_of(self._root, "b*.parquet"))

    def must_run(self):
        assert self._process.poll() is None, f"it ended before the last kill: {self._process.stdout.read()}"

    def wait_for_parts(self, count):
        wait_for(600, f"{count} chunks were written", lambda: self.must_run() or self.parts() >= count)

    def kill(self, kind):
        self.open_chunks.append(len(files_of(self._root, "*.asked.json")))
        if kind == "driver":
            self._run.kill(self._process)
            self._process = self._run.start()
        elif kind == "engine":
            wait_for(120, "an engine", self._nodes.engines)
            self._draw.choice(self._nodes.engines()).kill()
        else:
            self._lose_node()

    def _lose_node(self):
        """The stage goes on while another node starts."""
        self._coming.join(timeout=600)
        self._nodes.kill_second_node()
        self._coming = threading.Thread(target=self._nodes.add_second_node)
        self._coming.start()

    def finish(self):
        self._coming.join(timeout=600)
        output, _ = self._process.communicate(timeout=900)
        assert self._process.returncode == 0, output


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_twenty_kills_lose_no_row_blame_no_row_and_repeat_only_what_was_open(tmp_path):
    seed = int(os.environ.get("HNLM_KILL_SEED", time.time()))
    draw, kinds, started = random.Random(seed), Counter(), time.monotonic()
    print(f"HNLM_KILL_SEED={seed}")
    with TwoNodes(tmp_path) as nodes:
        killed = KilledStage(tmp_path, nodes, draw)
        for parts in sorted(draw.randint(1, int(0.9 * ROWS / BATCH_ROWS)) for _ in range(KILLS)):
            killed.wait_for_parts(parts)
            kinds[kind := draw.choice(KINDS)] += 1
            killed.kill(kind)
        killed.finish()
        asked = nodes.asked()
    _, rows = profiles(tmp_path)
    again, bound = asked.total() - ROWS, KILLS * ENGINES * CHUNKS_IN_FLIGHT * BATCH_ROWS
    print(
        f"{KILLS} kills ({dict(kinds)}) in {time.monotonic() - started:.0f} s: {asked.total()} rows asked, "
        f"{sum(times > 1 for times in asked.values())} more than once, at most {max(asked.values())} times; "
        f"{sum(killed.open_chunks)} chunks of {BATCH_ROWS} were open at the kills (bound: {bound} rows)"
    )
    assert {row["status"] for row in rows} == {"ok"}
    assert len(rows) == len(asked) == ROWS
    assert again <= bound
    assert nodes.alive() == []
    assert files_of(tmp_path, "*.json") == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_rows_of_an_engine_that_finds_no_node_any_more_are_asked_on_the_other(tmp_path):
    with TwoNodes(tmp_path) as nodes:
        one_a_node = {**SETTINGS, "llm__engines": 2, "llm__cpus_per_engine": 3, "ray__address": nodes.address}
        process = stage("item_profiles", write_items(tmp_path, 400), nodes.environment, **one_a_node).start()
        wait_for(240, "both work", lambda: len(nodes.engines()) == 2 and files_of(tmp_path, "b*.parquet"))
        nodes.kill_second_node()
        assert len(files_of(tmp_path, "b*.parquet")) < 100 - 2 * CHUNKS_IN_FLIGHT, "it is nearly over"
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
    _, rows = profiles(tmp_path)
    assert Counter(row["status"] for row in rows) == {"ok": 400}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_stage_that_is_killed_again_and_again_leaves_its_table_alone(tmp_path):
    run = stage("item_profiles", write_items(tmp_path, 400), llm__batch_rows=4, llm__scripted__seconds_per_row=1)
    for parts in (5, 25, 50):
        process = run.start()
        wait_for(
            240, f"{parts} chunks were written", lambda parts=parts: len(files_of(tmp_path, "b*.parquet")) >= parts
        )
        run.kill(process)
        assert run.wait_until_gone() == []
    run.finish(timeout=240)
    assert run.wait_until_gone() == []
    manifest, rows = profiles(tmp_path)
    assert Counter(row["status"] for row in rows) == {"ok": 400}
    folder = tmp_path / "ws" / "tables" / "item_profiles"
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert left == {"manifest.json", *(file.path for file in manifest.files)}
