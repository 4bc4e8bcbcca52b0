"""Ask the engine that docs/extending.md adds, and what the package knows of it, for test_new_engine.py."""

import asyncio
import json
import sys

from typer.testing import CliRunner

from hnlm_ray.cli import app
from hnlm_ray.commands.setup.checks.models import model_checks
from hnlm_ray.config.loading import load_config
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.rows.attempts import Asking
from hnlm_ray.llm.rows.job import LLMTask, llm_identity
from hnlm_ray.llm.rows.stream import flow_of
from hnlm_ray.llm.text.answers import AnswerFormat
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.plan.known.rates import assumed_rate, engine_key
from hnlm_ray.plan.measure.engine_meter import slots
from hnlm_ray.plan.remembering import has_its_own_pace

SETS = ("llm.engine=echo", "llm.encoder=trigrams")
config = load_config(sys.argv[1], SETS)
llm, kind = config.llm, engine_kind(config.llm)

prompt, key, title = load_prompt("item_profile.v1"), (1,), {"title": "The Last Word"}
expected = AnswerFormat({"summarization": 80})
task = LLMTask("item_profiles", ("item",), 1, lambda _: [], expected, {}, 32, prompt, prompt)
asking = Asking(kind.open(llm, config.seed), task, llm.max_attempts, llm.row_timeout_s)
outcome = asyncio.run(asking.outcome(key, title))

stage = next(stage for stage in STAGES if stage.name == "item_profiles")
stage.check(config)
sets = [word for one in SETS for word in ("--set", one)]
status = CliRunner().invoke(app, ["status", "--config", sys.argv[1], *sets, "--json"])
told = {
    "status": outcome.parsed.status,
    "text": outcome.parsed.fields["summarization"],
    "tokens_in": outcome.tokens_in,
    "tokens_planned": kind.prompt_tokens(llm)(task.request(key, title, 1)),
    "identity": llm_identity(llm),
    "content": stage.depends_on(config)["llm"],
    "slots": slots(llm),
    "chunks": flow_of(llm, 10**6).chunks,
    "own_pace": has_its_own_pace(llm),
    "step_s": assumed_rate(config, 10**9).step_s,
    "engine_key": engine_key(config),
    "doctor": [check.name for check in model_checks(config)],
    "states": [stage["state"] for stage in json.loads(status.stdout)["stages"]],
}
sys.stdout.write(json.dumps(told))
