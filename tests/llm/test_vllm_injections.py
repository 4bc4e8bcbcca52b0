"""The real vLLM with the embedded model on hostile titles, in a process of its own."""

import json
import subprocess
import sys
import textwrap
from collections import Counter

import pytest
from injections import HIDDEN, MARKS, WORDS

from hnlm_ray.workspace.tables import STATUSES

TITLES = [text for found in (HIDDEN[::2], MARKS[::2], WORDS[::3]) for _, text in found]
SCRIPT = textwrap.dedent("""
    import asyncio, json, os, sys
    from hnlm_ray.config import LLMConfig, ProfileConfig
    from hnlm_ray.llm.rows.attempts import Asking
    from hnlm_ray.llm.rows.job import LLMTask
    from hnlm_ray.llm.models import model_on_this_node
    from hnlm_ray.llm.text.prompts import load_prompt
    from hnlm_ray.llm.engines.vllm import VLLMEngine, engine_environment
    from hnlm_ray.profiles.items import PROFILE_COLUMNS, item_prompts, profile_format

    async def main():
        llm, profiles = LLMConfig(max_model_len=512), ProfileConfig(summary_chars=60, reasoning_chars=30)
        os.environ.update(engine_environment(llm))
        titles = enumerate(json.load(sys.stdin))
        items = [{"item": n, "title": title, "attributes": None, "text": None} for n, title in titles]
        prompt, simple = load_prompt("item_profile.v1"), load_prompt("item_profile.simple.v1")
        prompts = item_prompts(items, {}, profiles)
        task = LLMTask("item_profiles", ("item",), 1, lambda _: prompts, profile_format(profiles), PROFILE_COLUMNS, 48,
                       prompt, simple)
        engine = VLLMEngine(llm, model_on_this_node(llm.model), seed=1)
        asking, answers = Asking(engine, task, max_attempts=2, timeout_s=60), []
        generate = engine.generate

        async def noting(request):
            generated = await generate(request)
            answers.append([generated.text, generated.finished, list(request.expected.fields)])
            return generated

        engine.generate = noting
        outcomes = await asyncio.gather(*(asking.outcome(one.key, one.content) for one in prompts))
        engine.shutdown()
        rows = [[one.parsed.status, dict(one.parsed.fields), one.parsed.error] for one in outcomes]
        print("FOUND " + json.dumps({"rows": rows, "answers": answers}))

    if __name__ == "__main__":
        asyncio.run(main())
""")


@pytest.mark.long
@pytest.mark.real
@pytest.mark.timeout(600)
def test_answers_about_hostile_titles_keep_their_form_and_every_row_has_a_status(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script)]
    done = subprocess.run(command, input=json.dumps(TITLES), capture_output=True, text=True, timeout=580, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("FOUND ")), None)
    assert line, done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads(line.removeprefix("FOUND "))
    assert len(found["rows"]) == len(TITLES) > 35
    statuses = Counter(status for status, _, _ in found["rows"])
    assert statuses.keys() <= set(STATUSES) - {"engine_error", "no_vector"}, statuses
    assert statuses["ok"] > len(TITLES) / 2, statuses
    for status, fields, error in found["rows"]:
        assert (status == "ok") == bool(fields)
        assert (status in {"ok", "none"}) == (error is None)
        assert all(len(fields.get(name, "")) <= most for name, most in (("summarization", 60), ("reasoning", 30)))
    for text, _, fields in (answer for answer in found["answers"] if answer[1] and answer[0]):
        assert list(json.loads(text)) == fields, text
