"""The plan: rows, tokens, seconds, memory, disk and cost of each stage, from what was gathered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hnlm_ray.config import Config
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.plan.costs import priced
from hnlm_ray.plan.disk import Written, stage_mib
from hnlm_ray.plan.durations import Durations, engine_seconds
from hnlm_ray.plan.figures import Planned
from hnlm_ray.plan.gathering import Found, Task
from hnlm_ray.plan.http_time import http_seconds
from hnlm_ray.plan.rows import ROWS, steps
from hnlm_ray.plan.sampling import LLM_STAGES
from hnlm_ray.plan.stage_memory import stage_memory
from hnlm_ray.workspace import Tokens

_JUDGED: Final = {"candidates", "judgements"}
_TRAINED: Final = {"teacher", "trials", "results", "final_model"}
_PACES: Final = {
    **dict.fromkeys(_TRAINED, ("trainings", "epochs of each kind of training on this data")),
    **dict.fromkeys(("finetune", "finetune_eval"), ("tuning", "micro-batches of the fine-tuned model")),
    **dict.fromkeys(("candidates", "negative_pool"), ("encoder", "texts through the encoder")),
}


@dataclass(frozen=True)
class StandingStage:
    """A stage and what of it is already there: ``done`` rows of an interrupted run."""

    name: str
    state: str
    done: int = 0


@dataclass(frozen=True)
class Planner:
    """Plans stages one by one."""

    task: Task
    found: Found
    durations: Durations = field(init=False)

    def __post_init__(self) -> None:
        """Put the paces together."""
        found, task = self.found, self.task
        durations = Durations(task.config, found.data, found.works, found.engine.rate, found.query_tokens)
        object.__setattr__(self, "durations", durations)

    @property
    def config(self) -> Config:
        """The run's configuration."""
        return self.task.config

    def planned(self, stage: StandingStage) -> Planned:
        """Return what a stage will take; of a fresh one nothing."""
        if stage.state == "fresh":
            return Planned(name=stage.name, state="fresh", rows=0, seconds=0.0, basis="it is done")
        every = self._rows(stage.name)
        rows = max(0, every - stage.done)
        seconds = self._seconds(stage.name, rows, every)
        gpus = self._gpus(stage.name)
        disk = stage_mib(stage.name, self._written(), rows)
        memory = stage_memory(self.task, self.found, stage.name)
        planned = Planned(
            name=stage.name,
            state=stage.state,
            rows=rows,
            prompts=self._prompts(stage.name, rows),
            tokens=self._tokens(stage.name, rows, every),
            seconds=round(seconds, 1),
            gpu_hours=round(seconds * gpus / 3600, 4) if gpus else None,
            memory_mib=None if memory is None else round(memory, 1),
            disk_mib=None if disk is None else round(disk, 3),
            basis=self._basis(stage.name),
        )
        return priced(self.config, planned)

    def _rows(self, name: str) -> int:
        """Return the rows of a stage; users are judged as long as ``evidence.token_budget`` lasts."""
        every = ROWS[name](self.config, self.found.data)
        if name not in _JUDGED or "judgements" not in self.found.answers:
            return every
        evidence, tokens_in = self.config.evidence, self.found.answers["judgements"].means[0]
        return min(every, int(evidence.token_budget / (tokens_in + evidence.max_tokens)))

    def _prompts(self, name: str, rows: int) -> int | None:
        if name in LLM_STAGES:
            return round(rows * self.found.answers[name].tries)
        return rows if name == "embeddings" else None

    def _tokens(self, name: str, rows: int, every: int) -> Tokens | None:
        if name in LLM_STAGES:
            tokens_in, tokens_out = self.found.answers[name].means
            return Tokens(tokens_in=round(rows * tokens_in), tokens_out=round(rows * tokens_out))
        if name == "embeddings":
            return Tokens(tokens_in=round(rows * self.found.query_tokens))
        if name == "finetune":
            todo = steps(self.config, self.found.data) * rows / every
            return Tokens(tokens_in=round(todo * self.config.finetune.batch_size * self.found.query_tokens))
        return None

    def _seconds(self, name: str, rows: int, every: int) -> float:
        config, times = self.config, self.durations
        if name in LLM_STAGES:
            return self._llm_seconds(name, rows)
        one_by_one: Mapping[str, float] = {
            "candidates": times.candidates(),
            "teacher": times.teacher(),
            "records": times.records(),
            "finetune": times.finetune(rows / max(1, every)),
            "finetune_eval": times.finetune_eval(),
            "embeddings": times.embeddings(rows),
            "negative_pool": times.negative_pool(self.found.data.pairs(config.negatives.pairs_per_user)),
            "trials": times.trials(rows),
            "results": times.results(rows),
            "final_model": times.final_model(),
            "recommendations": times.recommendations(),
        }
        return one_by_one[name]

    def _llm_seconds(self, name: str, rows: int) -> float:
        llm, answers = self.config.llm, self.found.answers[name]
        if (server := engine_kind(llm).server(llm)) is not None:
            return http_seconds(server, answers, rows, llm.engines, self.found.engine.given)
        return engine_seconds(self.config, answers, self.found.engine.rate, rows)

    def _gpus(self, name: str) -> float:
        config = self.config
        if name in {*LLM_STAGES, "embeddings"}:
            return config.llm.engines * config.llm.gpus_per_engine
        if name == "finetune":
            return config.finetune.workers * config.finetune.gpus_per_worker
        if name in {"trials", "results"}:
            return config.tune.concurrent * config.tune.gpus_per_trial
        return config.tune.gpus_per_trial if name in _TRAINED else 0

    def _written(self) -> Written:
        chars = {name: sum(one.chars) / max(1, len(one.chars)) for name, one in self.found.answers.items()}
        return Written(self.config, self.found.data, self.task.tuned, chars)

    def _basis(self, name: str) -> str:
        if name in LLM_STAGES:
            source, llm = self.found.answers[name].source, self.config.llm
            if engine_kind(llm).server(llm) is not None and self.found.engine.given is None:
                return f"{source}; time: the server's limits, and answers at an assumed pace"
            return source if source.startswith("tokens and time") else f"{source}; {self.found.engine.source}"
        if name == "embeddings":
            return f"tokens: real queries; {self.found.engine.source}"
        if name in _PACES:
            part, what = _PACES[name]
            return f"time: {what}, {self.found.works.sources[part]}"
        return "time: assumed, it is short"
