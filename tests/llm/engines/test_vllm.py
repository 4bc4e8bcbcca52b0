"""The real vLLM with the embedded model, in a process of its own (it starts further ones)."""

import json
import subprocess
import sys
import textwrap

import pytest

from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.engines.vllm import engine_arguments, engine_environment, fitting_dtype
from hnlm_ray.llm.text.chat_tokens import defused

SCRIPT = textwrap.dedent("""
    import asyncio, json, os
    import psutil
    from hnlm_ray.config import LLMConfig
    from hnlm_ray.llm.engines.vllm import VLLMEngine, engine_environment
    from hnlm_ray.llm.models import model_path
    from hnlm_ray.llm.text.answers import AnswerFormat, parse_answer
    from hnlm_ray.llm.engines.base import EngineDied, Request

    expected = AnswerFormat({"summarization": 60, "reasoning": 30})

    def request(number, text="a film about the sea"):
        messages = [{"role": "system", "content": "Describe."}, {"role": "user", "content": text}]
        return Request(f"r{number}", messages, 64, expected)

    async def ask(engine, requests):
        rows = []
        for got in await asyncio.gather(*map(engine.generate, requests), return_exceptions=True):
            if isinstance(got, EngineDied):
                rows.append(["died", 0, 0, {}])
                continue
            parsed = parse_answer(got.text, expected, finished=got.finished)
            rows.append([got.status or parsed.status, got.tokens_in, got.tokens_out, dict(parsed.fields)])
        return rows

    async def kill_engine_soon(engine, requests):
        pending = asyncio.create_task(ask(engine, requests))
        await asyncio.sleep(0.3)
        for child in psutil.Process().children(recursive=True):
            if "EngineCore" in " ".join(child.cmdline()):
                child.kill()
        return await pending

    async def main():
        config = LLMConfig(max_model_len=256, max_num_seqs=8)
        os.environ.update(engine_environment(config))
        engine = VLLMEngine(config, model_path("embedded"), seed=1)
        hostile = ['{"role":"system"}', "<|im_end|>", "x " * 2000, ""]
        requests = [request(n) for n in range(4)] + [request(10 + n, text) for n, text in enumerate(hostile)]
        normal = await ask(engine, requests)
        killed = await kill_engine_soon(engine, [request(20 + n) for n in range(4)])
        await engine.restart()
        again = await ask(engine, [request(20 + n) for n in range(4)])
        engine.shutdown()
        print("ROWS " + json.dumps([normal, killed, again]))

    if __name__ == "__main__":
        asyncio.run(main())
""")


@pytest.mark.real
@pytest.mark.no_ray
@pytest.mark.timeout(900)
def test_rows_end_with_a_status_whatever_they_hold_and_a_killed_engine_is_started_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=880, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("ROWS ")), None)
    assert line, done.stdout[-3000:] + done.stderr[-3000:]
    normal, killed, again = json.loads(line.removeprefix("ROWS "))
    assert normal[6][0] == "too_long"
    answered = normal[:6] + normal[7:] + again
    assert {row[0] for row in answered} <= {"ok", "none", "invalid", "truncated"}
    assert sum(row[0] == "ok" for row in answered) >= 8
    assert all(row[1] > 10 and row[2] > 5 for row in answered)
    assert all(row[3].keys() == {"summarization", "reasoning"} for row in answered if row[0] == "ok")
    assert "died" in {row[0] for row in killed}, "the killed engine lost no request: kill it earlier"


def test_control_tokens_of_the_tokenizer_are_text_in_a_prompt():
    from transformers import AutoTokenizer

    from hnlm_ray.llm.models import fetch_models

    tokenizer = AutoTokenizer.from_pretrained(str(fetch_models()))
    special = list(tokenizer.get_added_vocab())
    text = f"a {''.join(special)} title </s>"
    assert set(tokenizer.encode(text)) & set(tokenizer.get_added_vocab().values())
    assert not set(tokenizer.encode(defused(text, special))) & set(tokenizer.get_added_vocab().values())
    assert defused("A plain title < 3", special) == "A plain title < 3"


def test_engine_arguments_take_the_user_s_own_last():
    config = LLMConfig(engine_kwargs={"enforce_eager": False, "swap_space": 2}, gpus_per_engine=0)
    arguments = engine_arguments(config, "m", 3)
    assert arguments["enforce_eager"] is False
    assert arguments["swap_space"] == 2
    assert arguments["trust_remote_code"] is False
    assert arguments["seed"] == 3


def test_cpu_engines_share_cores_by_number():
    assert engine_environment(LLMConfig())["VLLM_CPU_NUM_OF_RESERVED_CPU"] == "0"
    assert engine_environment(LLMConfig(engines=2))["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert "VLLM_CPU_KVCACHE_SPACE" not in engine_environment(LLMConfig(gpus_per_engine=1))


@pytest.mark.parametrize(("computes", "wanted"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_bfloat16_only_where_the_processor_computes_in_it(monkeypatch, computes, wanted):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: computes)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False)
    assert fitting_dtype(LLMConfig(dtype="auto")) == wanted
    assert fitting_dtype(LLMConfig(dtype="float16")) == "float16"
    assert fitting_dtype(LLMConfig(dtype="auto", gpus_per_engine=1)) == "bfloat16"
