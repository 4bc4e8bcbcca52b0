"""What it takes to add an engine, shown on a copy of the package: its file, the registry's line, a setting's word."""

import json
from pathlib import Path

HERE = Path(__file__).parent


def test_a_new_engine_answers_and_is_known_to_stages_plans_and_commands(recipe, config_file):
    added = recipe("An engine").follow()
    assert len(added.blocks) == 3
    told = json.loads(added.python(HERE / "use_echo.py", config_file))
    assert (told["status"], told["identity"]) == ("ok", "echo@1")
    assert "Last Word" in told["text"]
    assert told["tokens_in"] == told["tokens_planned"] > 10
    assert told["content"] == {"engine": "echo", "max_attempts": 3, "model": "echo@1"}
    assert (told["slots"], told["chunks"], told["own_pace"]) == (8, 2, True)
    assert told["step_s"] > 0
    assert told["doctor"] == ["encoder"]
    assert set(told["states"]) == {"missing"}


def test_an_answer_that_was_forgotten_is_told_by_its_name(recipe):
    added = recipe("An engine").follow()
    engine = added.package / "llm" / "engines" / "echo.py"
    engine.write_text(engine.read_text(encoding="utf-8").replace("    may_bill=False,\n", ""), encoding="utf-8")
    try_it = "try:\n  import hnlm_ray.llm.engines\nexcept TypeError as error:\n  print(error)"
    assert "may_bill" in added.python("-c", try_it)
