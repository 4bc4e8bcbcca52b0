"""The registry of engines: no code compares a name with `llm.engine`, none is left out, nothing heavy is loaded."""

import ast
import subprocess
import sys
from dataclasses import fields
from typing import get_args

import pytest

from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.engines import ENGINES, engine_kind
from hnlm_ray.llm.engines.base import EngineKind, Request, request_seed
from hnlm_ray.llm.text.answers import AnswerFormat

SERVER = {"base_url": "http://h/v1", "model": "m", "extra": {"min_p": 0.1}, "concurrency": 200, "timeout_s": 3}
VLLM = LLMConfig(model="org/name", engine_kwargs={"seed": 3}, max_num_seqs=100)
HTTP = LLMConfig.model_validate({"engine": "http", "http": SERVER})
SCRIPTED = LLMConfig.model_validate({"engine": "scripted", "scripted": {"none": 0.5}})
SAMPLED = {"temperature": 0.7, "top_p": 1.0, "max_attempts": 3}


def test_every_engine_of_the_configuration_is_in_the_registry_and_none_beside():
    assert set(ENGINES) == set(get_args(LLMConfig.model_fields["engine"].annotation))


@pytest.mark.parametrize("forgotten", [field.name for field in fields(EngineKind)])
def test_an_engine_that_forgets_an_answer_does_not_load(forgotten):
    answers = {name: value for name, value in vars(ENGINES["scripted"]).items() if name != forgotten}
    with pytest.raises(TypeError, match=forgotten):
        EngineKind(**answers)


def test_what_tells_tables_apart_is_what_it_was_before_there_was_a_registry():
    decoding = {"dtype": "auto", "max_model_len": 1024}
    poison = dict.fromkeys(("crash", "kill", "hang", "invalid", "empty", "endless", "refusal"), 0.0)
    scripted = {"bad_json": 0.0, "none": 0.5, "engine_error": 0.0, "poison": poison, "seconds_per_row": 0.0}
    content = {
        "vllm": {"engine": "vllm", **decoding, **SAMPLED, "engine_kwargs": {"seed": 3}},
        "http": {"engine": "http", **SAMPLED, "http": {"model": "m", "structured": "schema", "extra": {"min_p": 0.1}}},
        "scripted": {"engine": "scripted", **decoding, **SAMPLED, "engine_kwargs": {}, "scripted": scripted},
    }
    assert {llm.engine: engine_kind(llm).content(llm) for llm in (VLLM, HTTP, SCRIPTED)} == content
    identities = {"vllm": "org/name", "http": "http:m", "scripted": "scripted"}
    assert {llm.engine: engine_kind(llm).identity(llm) for llm in (VLLM, HTTP, SCRIPTED)} == identities


def test_each_engine_has_as_much_with_it_as_it_can_work_on():
    assert [engine_kind(llm).at_once(llm) for llm in (VLLM, HTTP, SCRIPTED)] == [100, 200, 64]
    assert [engine_kind(llm).slots(llm) for llm in (VLLM, HTTP, SCRIPTED)] == [100, None, None]


def test_a_server_bounds_its_waits_and_may_bill_and_made_up_answers_teach_nothing():
    assert [name for name, kind in ENGINES.items() if kind.bounds_its_waits] == ["http"]
    assert [engine_kind(llm).row_timeout_s(llm) for llm in (VLLM, HTTP, SCRIPTED)] == [300, None, 300]
    assert [name for name, kind in ENGINES.items() if kind.may_bill] == ["http"]
    assert [name for name, kind in ENGINES.items() if not kind.has_a_model] == ["scripted"]


def test_vllm_s_variables_are_in_no_other_engine_s_process():
    assert "VLLM_CPU_KVCACHE_SPACE" in engine_kind(VLLM).environment(VLLM)
    assert [engine_kind(llm).environment(llm) for llm in (HTTP, SCRIPTED)] == [{}, {}]


def test_tokens_of_a_prompt_are_counted_as_the_engine_counts_them():
    request = Request("1", [{"role": "user", "content": "x" * 9}], 8, AnswerFormat({"a": 5}))
    assert [engine_kind(llm).prompt_tokens(llm)(request) for llm in (HTTP, SCRIPTED)] == [3, 4]
    assert request_seed(7, "r", 1) == request_seed(7, "r", 1) != request_seed(7, "r", 2)


def test_the_registry_loads_no_engine():
    heavy = {"torch", "ray", "vllm", "httpx2", "transformers", "json_repair"}
    code = f"import sys, hnlm_ray.llm.engines; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def names_an_engine(node):
    """Tell whether an expression is something's ``engine``."""
    return isinstance(node, ast.Attribute | ast.Name) and getattr(node, "attr", getattr(node, "id", "")) == "engine"


def words(node):
    """Return the texts that an expression is made of."""
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def comparisons(source):
    """Return the lines on which something's ``engine`` is compared with a word."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare)]
    sides = {node.lineno: [node.left, *node.comparators] for node in found}
    return [line for line, all_of in sides.items() if any(map(names_an_engine, all_of)) and any(map(words, all_of))]


def test_no_code_compares_the_name_of_an_engine(repository):
    paths = (repository / "hnlm_ray").rglob("*.py")
    found = {str(path): lines for path in paths if (lines := comparisons(path.read_text(encoding="utf-8")))}
    assert found == {}
    assert comparisons('if llm.engine == "vllm":\n    pass\nfine = engine in ("a", "b")') == [1, 3]
