"""The engine of a worker: what stops it from starting is told in one sentence."""

import pytest

from hnlm_ray.config import LLMConfig
from hnlm_ray.errors import InputError, StageError
from hnlm_ray.llm.open_engine import open_engine
from hnlm_ray.llm.scripted_engine import ScriptedEngine


def test_a_scripted_engine_needs_no_model():
    assert isinstance(open_engine(LLMConfig(engine="scripted", model="/nowhere"), 1), ScriptedEngine)


def test_vllm_s_own_errors_name_the_model_and_what_to_look_at(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise MemoryError

    monkeypatch.setattr("hnlm_ray.llm.vllm_engine.VLLMEngine", refuse)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(
        StageError, match=r"vLLM can't start with llm\.model '.*' \(MemoryError\): check the checkpoint"
    ):
        open_engine(LLMConfig(model=str(tmp_path)), 1)
    with pytest.raises(InputError, match="is no checkpoint"):
        open_engine(LLMConfig(model=str(tmp_path / "none")), 1)
