"""One row in a hundred is poison, of each kind: it is recorded as what it is, and all others are answered."""

from collections import Counter

import pytest
from lost_processes import profiles, stage, write_items

from hnlm_ray.config import ScriptedConfig
from hnlm_ray.llm.engines.scripted import poison_of

ROWS = 1000
POISON = {
    "crash": 0.0012,
    "kill": 0.0008,
    "hang": 0.0012,
    "invalid": 0.0015,
    "empty": 0.0015,
    "endless": 0.0015,
    "refusal": 0.0015,
}
STATUSES = {
    "crash": "engine_error",
    "kill": "engine_error",
    "hang": "engine_error",
    "invalid": "invalid",
    "empty": "invalid",
    "endless": "truncated",
    "refusal": "refused",
}


@pytest.mark.real
@pytest.mark.timeout(600)
@pytest.mark.parametrize("batch_rows", [32, *(pytest.param(size, marks=pytest.mark.long) for size in (1, 256))])
def test_each_poisonous_row_is_recorded_and_no_other_row_is_lost(tmp_path, batch_rows):
    scripted = ScriptedConfig(poison=POISON)
    poison = {item: kind for item in range(ROWS) if (kind := poison_of(scripted, str(item)))}
    assert set(poison.values()) == set(POISON)
    assert len(poison) == ROWS // 100
    shares = {f"llm__scripted__poison__{kind}": share for kind, share in POISON.items()}
    run = stage(
        "item_profiles", write_items(tmp_path, ROWS), llm__batch_rows=batch_rows, llm__row_timeout_s=8, **shares
    )
    run.finish(timeout=400)
    manifest, rows = profiles(tmp_path)
    print(f"batch_rows {batch_rows}: {Counter(poison.values())} in {manifest.seconds:.0f} s")
    assert {row["item"]: row["status"] for row in rows} == {
        item: STATUSES[poison[item]] if item in poison else "ok" for item in range(ROWS)
    }
    assert manifest.failed_by_reason == Counter(map(STATUSES.get, poison.values()))
    assert run.wait_until_gone() == []
