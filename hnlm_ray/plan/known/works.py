"""The paces of all that is not asked of an LLM: measured in Ray tasks, remembered, or assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hnlm_ray.base.progress import Progress
from hnlm_ray.config import Config
from hnlm_ray.finetune.query import Query
from hnlm_ray.llm.models import HTTP, base_model, encoder_identity, model_identity
from hnlm_ray.plan.known.rates import Rates, WorkRate, work_key
from hnlm_ray.plan.measure.training_time import Pace, TeacherTimes, TrainingTimes, kinds, measure_trainings
from hnlm_ray.plan.measure.tuning_time import EncoderPace, TuningPace, measure_encoder, measure_tuning
from hnlm_ray.plan.sizes import Prepared
from hnlm_ray.workspace import Workspace

_PAIR_EPOCH_S: Final = 1e-5
"""Assumed: a training pair in one epoch on a processor's core, evaluation included."""
_MINED_PAIR_S: Final = 5e-4
_CORE_FLOPS: Final = 4e10
"""Assumed: what a core computes a second. To train takes 6 a parameter and token, to read 2."""
_TUNING: Final = ("load_s", "train_token_s", "read_token_s")
_ENCODER: Final = ("load_s", "text_s")
_ASSUMED_ENCODER: Final = EncoderPace(3.0, 0.01)
MEASURED, ASSUMED = "measured here", "assumed"


@dataclass(frozen=True)
class Paces:
    """Paces of the CF trainings, the fine-tuning and the encoder; ``sources``: how each was got, by these names."""

    trainings: TrainingTimes
    tuning: TuningPace
    encoder: EncoderPace
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Work:
    """What the paces are of: a run on its prepared data. ``parameters``: of the model that is fine-tuned."""

    config: Config
    workspace: Workspace
    data: Prepared
    parameters: int

    def key(self, part: str, *names: object) -> str:
        """Name a pace of this machine."""
        config = self.config
        of: dict[str, object] = {
            "trainings": {"dim": config.cf.dim, "layers": config.cf.layers, "gpus": config.tune.gpus_per_trial},
            "tuning": [model_identity(base_model(config)), config.finetune.precision, config.finetune.gpus_per_worker],
            "encoder": encoder_identity(config.llm.encoder),
        }
        return work_key(config, part, of=of[part], names=names)


def known_works(work: Work, rates: Rates) -> Paces:
    """Return what is remembered of each pace, else what is assumed."""
    sources: dict[str, str] = {}

    def recall(part: str, names: Sequence[object], assume: Callable[[], Sequence[float]]) -> Sequence[float]:
        found = [rates.work.get(work.key(part, name)) for name in names]
        whole = [rate for rate in found if rate is not None]
        if len(whole) < len(found):
            sources[part] = ASSUMED
            return assume()
        sources[part] = f"measured earlier, on {whole[0].day}" if whole else ASSUMED
        return [rate.seconds for rate in whole]

    every = list(kinds(work.config))
    pairs = recall("trainings", every, lambda: [_PAIR_EPOCH_S] * len(every))
    paces = {kind: Pace(0.0, pair_s * work.data.train) for kind, pair_s in zip(every, pairs, strict=True)}
    teacher = TeacherTimes(Pace(0.0, min(pairs) * work.data.train), _MINED_PAIR_S, None)
    tuning = TuningPace(*recall("tuning", _TUNING, lambda: _assumed_tuning(work.parameters)))
    encoder = EncoderPace(*recall("encoder", _ENCODER, lambda: (_ASSUMED_ENCODER.load_s, _ASSUMED_ENCODER.text_s)))
    return Paces(TrainingTimes(paces, teacher, None), tuning, encoder, sources)


def _assumed_tuning(parameters: int) -> Sequence[float]:
    return 4 * parameters / 1e9 + 3, 6 * parameters / _CORE_FLOPS, 2 * parameters / _CORE_FLOPS


def remember_works(work: Work, works: Paces, rates: Rates) -> None:
    """Remember the paces that were measured here."""
    paces: dict[str, dict[str, float]] = {
        "trainings": {kind: pace.epoch_s / work.data.train for kind, pace in works.trainings.paces.items()},
        "tuning": {name: getattr(works.tuning, name) for name in _TUNING},
        "encoder": {name: getattr(works.encoder, name) for name in _ENCODER},
    }
    for part, values in paces.items():
        if works.sources[part] == MEASURED:
            rates.work |= {work.key(part, name): WorkRate(seconds=value) for name, value in values.items()}


def measure_works(
    work: Work, known: Paces, queries: Sequence[Query], texts: Sequence[str], progress: Progress, *, anew: bool
) -> Paces:
    """Measure in Ray tasks with the resources of the stages; ``anew``: also what is remembered of another day.

    Trainings are measured each time, for they depend on the data. An encoder behind a server costs money: it is not.
    """
    import ray

    config, wanted = work.config, {part for part, source in known.sources.items() if anew or source == ASSUMED}
    tune, finetune = config.tune, config.finetune
    tasks: dict[str, tuple[Any, ...]] = {
        "trainings": (tune.cpus_per_trial, tune.gpus_per_trial, measure_trainings, config, work.workspace)
    }
    if queries and "tuning" in wanted:
        tasks["tuning"] = (finetune.cpus_per_worker, finetune.gpus_per_worker, measure_tuning, config, queries)
    if texts and "encoder" in wanted and not config.llm.encoder.startswith(HTTP):
        tasks["encoder"] = (1, 0, measure_encoder, config, texts)
    progress.start("sample of trainings", len(tasks), unit="kinds")
    found: dict[str, Any] = {}
    for name, (cpus, gpus, measure, *arguments) in tasks.items():
        found[name] = ray.get(ray.remote(measure).options(num_cpus=cpus, num_gpus=gpus).remote(*arguments))
        progress.advance()
    progress.finish()
    return replace(known, **found, sources={**known.sources, **dict.fromkeys(found, MEASURED)})
