"""The engine of a worker: what stops it from starting is told in one sentence."""

import pytest

from hnlm_ray.base.errors import InputError, StageError
from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.engines.scripted import ScriptedEngine


def opened(llm):
    return engine_kind(llm).open(llm, 1)


def test_a_scripted_engine_needs_no_model():
    assert isinstance(opened(LLMConfig(engine="scripted", model="/nowhere")), ScriptedEngine)


def test_vllm_s_own_errors_name_the_model_and_what_to_look_at(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise MemoryError

    monkeypatch.setattr("hnlm_ray.llm.engines.vllm.VLLMEngine", refuse)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(
        StageError, match=r"vLLM can't start with llm\.model '.*' \(MemoryError\): check the checkpoint"
    ):
        opened(LLMConfig(model=str(tmp_path)))
    with pytest.raises(InputError, match="is no checkpoint"):
        opened(LLMConfig(model=str(tmp_path / "none")))
