"""An engine, a node and the driver of a stage are killed in turn: each row is there once, and few are asked twice."""

import pytest
from lost_processes import TwoNodes, files_of, profiles, stage, wait_for, write_items

ROWS, BATCH_ROWS, ENGINES, CHUNKS_IN_FLIGHT, KILLS = 240, 4, 2, 4, 3
SETTINGS = {
    "llm__engines": ENGINES,
    "llm__cpus_per_engine": 1,
    "llm__batch_rows": BATCH_ROWS,
    "llm__max_num_seqs": 8,
    "llm__scripted__seconds_per_row": 1.5,
}


@pytest.mark.real
@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_stage_survives_the_loss_of_an_engine_of_a_node_and_of_its_driver(tmp_path):
    preset = write_items(tmp_path, ROWS)

    def parts():
        return len(files_of(tmp_path, "b*.parquet"))

    with TwoNodes(tmp_path) as nodes:
        run = stage("item_profiles", preset, nodes.environment, ray__address=nodes.address, **SETTINGS)
        process = run.start()

        def wait_for_more_parts(count):
            before = parts()
            wait_for(120, "more was written", lambda: parts() >= before + count or process.poll() is not None)
            assert process.poll() is None, process.stdout.read()

        wait_for_more_parts(4)
        nodes.engines()[0].kill()
        wait_for_more_parts(2)
        nodes.kill_second_node()
        wait_for_more_parts(6)
        run.kill(process)
        output = run.finish(timeout=120)
        assert "rows are done" in output
        asked = nodes.asked()
    manifest, rows = profiles(tmp_path)
    assert {row["status"] for row in rows} == {"ok"}
    assert len(rows) == len(asked) == manifest.rows.ok == ROWS
    assert asked.total() - ROWS <= KILLS * ENGINES * CHUNKS_IN_FLIGHT * BATCH_ROWS
    assert nodes.alive() == []
    assert files_of(tmp_path, "*.json") == []  # no marker is left
