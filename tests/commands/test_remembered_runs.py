"""Which stages of a run teach later plans: those that wrote texts, in one go."""

import pytest
from typer.testing import CliRunner

from hnlm_ray.cli import app


@pytest.fixture
def call(small_pipeline, config_file, monkeypatch):
    taught = []
    monkeypatch.setattr(
        "hnlm_ray.plan.remembering.remember_run",
        lambda _config, _workspace, stage, done: taught.append((stage.name, done.tokens.tokens_out)),
    )

    def call(*arguments):
        taught.clear()
        code = CliRunner().invoke(app, [*arguments, "--config", str(config_file)]).exit_code
        return code, list(taught)

    return call


def test_stages_that_write_texts_teach_when_they_ran_in_one_go(call):
    assert call("run") == (0, [("user_profiles", 20), ("negatives", 0)])
    assert call("run") == (0, [])
    assert call("stage", "negatives", "--retry", "failed") == (0, [])


def test_a_stage_that_was_interrupted_teaches_nothing(call, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "user_profiles-2")
    assert call("run") == (1, [])
    monkeypatch.delenv("FAKE_FAIL")
    assert call("run") == (0, [("negatives", 0)])
