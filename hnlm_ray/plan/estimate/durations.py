"""Seconds of each stage: its work at the paces that were found, and what its start takes.

The constants are of starts, in seconds, measured on two cores of a small server.

How long a server takes: its limits a minute, and its answers at so many requests at the same time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hnlm_ray.cf.training.hardness import PAIRS
from hnlm_ray.config import Config
from hnlm_ray.config.llm import HttpConfig
from hnlm_ray.methods.known import RunMethods, trials_of
from hnlm_ray.plan.known.answers import Answers
from hnlm_ray.plan.known.rates import EngineRate
from hnlm_ray.plan.known.works import Paces
from hnlm_ray.plan.measure.engine_meter import slots
from hnlm_ray.plan.measure.step_cost import Load, stage_seconds
from hnlm_ray.plan.measure.training_time import first_trials
from hnlm_ray.plan.sizes import Prepared, records, steps, training_records
from hnlm_ray.tune.frontier.rows import reference
from hnlm_ray.tune.frontier.samplers import Winner, frozen_winner, redrawn

ASSUMED_READ, ASSUMED_WRITE = 2000.0, 40.0
"""Assumed of a server: tokens a second that it reads and writes of one request."""
_MINUTE: Final = 60.0


def http_seconds(
    server: HttpConfig, answers: Answers, rows: int, engines: int, rate: tuple[float, float] | None
) -> float:
    """Return the longest of what each limit asks for; ``rate``: tokens a second read and written of a request."""
    tokens_in, tokens_out = answers.means
    requests = rows * answers.tries
    read, write = rate or (ASSUMED_READ, ASSUMED_WRITE)
    waiting = rows * (tokens_in / read + tokens_out / write) / (server.concurrency * engines)
    by_requests = requests / server.requests_per_minute * _MINUTE if server.requests_per_minute else 0.0
    tokens = rows * (tokens_in + tokens_out)
    by_tokens = tokens / server.tokens_per_minute * _MINUTE if server.tokens_per_minute else 0.0
    return max(waiting, by_requests, by_tokens)


STAGE_S: Final = 3.0
"""A stage on Ray Data: its actors' processes, and its parts at the end."""
CHUNK_S: Final = 0.05
"""A chunk of rows on its way through Ray Data, where nothing else takes time."""
ENGINE_START_S: Final = 40.0
"""vLLM, where it was not measured."""
TEACHER_START_S: Final = 8.0
"""The teacher: a task that imports PyTorch, then tasks that mine."""
TRAIN_START_S: Final = 20.0
"""Ray Train: its controller, its workers, DeepSpeed's import."""
CHECKPOINT_S: Final = 1.0
TUNE_START_S: Final = 8.0
"""Ray Tune: its actors, and the data's way to them."""
TRAINING_S: Final = 0.15
"""A training on Ray Tune beside its own time: scheduling, and its row."""
SMALL_S: Final = 1.0
RESAMPLED_S: Final = 2e-4
"""A user in the intervals of all samplers on one model: drawn again 2,000 times, with 80 samplers."""
BUCKETS_PER_ACTOR: Final = 8
_EVALUATION_PASSES: Final = 3  # held-out queries: with all, without text, without soft tokens


def at_once(config: Config, workers: int, cpus_each: float) -> float:
    """Return how many workers make progress together: no more than this machine's cores bear."""
    if config.ray.address != "local":
        return workers
    return max(1.0, min(workers, (os.cpu_count() or 1) / cpus_each))


def first_samplers(config: Config) -> list[Winner]:
    """Return what is compared as if its first trial won."""
    methods = RunMethods.of(config.tune).compared
    return [Winner(name, methods[name].method, first, 0.0) for name, (_, first) in first_trials(config).items()]


def engine_seconds(config: Config, answers: Answers, rate: EngineRate, rows: int) -> float:
    """Return the time of an LLM stage, its engines working side by side."""
    if not rows:
        return 0.0
    llm = config.llm
    load = Load(-(-rows // llm.engines), answers.sample, slots(llm))
    chunks = -(-rows // llm.batch_rows) / llm.engines
    return STAGE_S + rate.start_s + max(stage_seconds(rate.cost, load), chunks * CHUNK_S)


@dataclass(frozen=True)
class Durations:
    """Times of the other stages; ``query_tokens``: of a query of the fine-tuned model."""

    config: Config
    data: Prepared
    works: Paces
    engine: EngineRate
    query_tokens: float

    def candidates(self) -> float:
        """Return the choice of candidates: three solutions of EASE, texts through the encoder, scores of all pairs."""
        encoded = self.works.encoder.load_s + self.data.items * self.works.encoder.text_s
        solved, scored = 1.5e-10 * self.data.items**3, 1e-6 * self.data.users * self.data.items
        return STAGE_S + encoded + solved + scored

    def teacher(self) -> float:
        """Return the teacher's training and mining."""
        times, settings = self.works.trainings.teacher, self.config.teacher
        if times is None:
            return STAGE_S
        mined = self.data.pairs(settings.pairs_per_user) * times.pair_s
        return TEACHER_START_S + times.pace.seconds(settings.cf.epochs) + mined

    def records(self) -> float:
        """Return the drawing of records."""
        return SMALL_S + records(self.config, self.data) * 1e-4

    def finetune(self, left: float = 1.0) -> float:
        """Return the fine-tuning; ``left``: the share of its steps that is still to do."""
        config, pace = self.config.finetune, self.works.tuning
        workers = at_once(self.config, config.workers, config.cpus_per_worker)
        train = training_records(self.config, self.data)
        held_out = records(self.config, self.data) - train
        measured = -(-held_out // config.batch_size) * config.batch_size  # whole steps, as in training
        read = (train + measured * (config.epochs + 2)) * self.query_tokens * pace.read_token_s
        todo = left * steps(self.config, self.data)
        trained = todo * config.batch_size * self.query_tokens * pace.train_token_s
        saved = todo / config.checkpoint_every * CHECKPOINT_S
        return TRAIN_START_S + 2 * pace.load_s + (read + trained) / workers + saved

    def finetune_eval(self) -> float:
        """Return the comparison on held-out users."""
        config, pace = self.config, self.works.tuning
        every = records(config, self.data)
        held_out = every - training_records(config, self.data)
        queries = _EVALUATION_PASSES * held_out + every
        texts = 2 * every * self.works.encoder.text_s
        read = queries * self.query_tokens * pace.read_token_s
        return STAGE_S + 2 * pace.load_s + read + self.works.encoder.load_s + texts

    def embeddings(self, rows: int) -> float:
        """Return the vectors of chosen pairs."""
        tokens, tuning, engine = rows * self.query_tokens, self.works.tuning, self.config.embeddings.engine
        start_s, token_s = {"vllm": ENGINE_START_S, "torch": 0.0}[engine], tuning.read_token_s
        if self.config.llm.engine == engine:  # else nobody has met one in this run yet
            start_s, token_s = self.engine.start_s, self.engine.prompt_token_s
        return STAGE_S + tuning.load_s + start_s + tokens * token_s / self.config.llm.engines

    def negative_pool(self, texts: int) -> float:
        """Return the grounding: each actor encodes the catalogue, and each text is encoded once."""
        buckets, encoder = self.config.prepare.buckets, self.works.encoder
        actors = max(1, buckets // BUCKETS_PER_ACTOR)
        side_by_side = at_once(self.config, actors, 1)
        encoded = (actors * self.data.items + texts) * encoder.text_s
        return STAGE_S + encoder.load_s + encoded / side_by_side + self.data.train * 2e-4

    def trials(self, left: int) -> float:
        """Return ``left`` trials; a method's CPU seconds may end them before."""
        tune = self.config.tune
        most = None if tune.cpu_seconds is None else tune.cpu_seconds / tune.cpus_per_trial
        each = {name: trials_of(one.method, tune) for name, one in RunMethods.of(tune).compared.items()}
        return self._trainings(each, left, most)

    def results(self, left: int) -> float:
        """Return ``left`` refits of the winners, then one model more and what every sampler draws on it."""
        refits = dict.fromkeys(RunMethods.of(self.config.tune).compared, self.config.tune.seeds)
        return self._trainings(refits, left, None) + self._one_model()

    def _one_model(self) -> float:
        """Return the slowest training whose model samplers may be redrawn on, and the redrawing; 0 without one.

        A pair that is drawn for takes no longer than in an epoch, which trains by it as well; users are resampled.
        """
        firsts, pace = first_samplers(self.config), self.works.trainings.pace
        fit = [one.config for one in firsts if frozen_winner([one]) is not None]
        if not fit:
            return 0.0
        trained = max(pace(settings).seconds(self.epochs) for settings in fit)
        asked = [*reference(), *redrawn(firsts, RunMethods.of(self.config.tune).chosen)]
        share = min(1.0, PAIRS / max(1, self.data.train))
        drawn = sum(share * pace(one.config).epoch_s for one in asked if one.reason is None)
        return trained + drawn + min(PAIRS, self.data.users) * RESAMPLED_S

    def _trainings(self, each: Mapping[str, int], left: int, most: float | None) -> float:
        """Return ``left`` trainings of a comparison.

        ``each``: how many a method has in each search, by its name in results; ``most``: seconds of all of them.
        """
        tune, times = self.config.tune, self.works.trainings
        side_by_side = at_once(self.config, tune.concurrent, tune.cpus_per_trial)
        own = [
            each[name] * times.pace(settings).seconds(self.epochs)
            for name, (_, settings) in first_trials(self.config).items()
        ]
        whole = tune.searches * sum(own if most is None else (min(one, most) for one in own))
        share = left / max(1, tune.searches * sum(each.values()))
        return TUNE_START_S + left * TRAINING_S + share * whole / side_by_side

    @property
    def epochs(self) -> int:
        """Epochs of a training: those after which the measured one stopped, else as many as there may be."""
        return self.works.trainings.epochs or self.config.cf.epochs

    def final_model(self) -> float:
        """Return one training more, of the slowest kind that may win."""
        paces = self.works.trainings.paces.values()
        return SMALL_S + max(pace.seconds(self.epochs) for pace in paces)

    def recommendations(self) -> float:
        """Return the lists of all users."""
        return SMALL_S + self.data.users * self.data.items * self.config.cf.dim * 2e-10
