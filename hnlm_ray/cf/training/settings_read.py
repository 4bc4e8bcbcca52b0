"""Which settings a training reads, by its model, sampler and loss: what is set and not read changes nothing.

Models, samplers and losses say themselves what they read (``reads_settings``); here stand the settings that all
trainings by gradients read, and conditions that are no matter of one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.closed_form import SOLVED
from hnlm_ray.cf.closed_form.base import Solved
from hnlm_ray.cf.models import MODELS, EmbeddingModel, model_class
from hnlm_ray.cf.objectives import LOSSES, Objective
from hnlm_ray.cf.samplers import SAMPLERS, Sampler, sampler_class, sampler_drawn_by
from hnlm_ray.config import CFConfig

Reader = tuple[str, Callable[[CFConfig], bool]]

Part = type[EmbeddingModel] | type[Solved] | type[Objective] | type[Sampler]


def _model(config: CFConfig) -> type[EmbeddingModel | Solved]:
    return SOLVED.get(config.model) or model_class(config.model)


def _loss(config: CFConfig) -> type[Objective] | None:
    return None if config.model in SOLVED else LOSSES[config.loss]


def _samplers(config: CFConfig) -> tuple[type[Sampler], ...]:
    """Return what draws, and what it mixes with; none where nothing is drawn."""
    loss = _loss(config)
    if loss is None or not loss.draws:
        return ()
    return sampler_class(config.sampler), sampler_drawn_by(config)


def _parts(config: CFConfig) -> Mapping[str, tuple[Part, ...]]:
    """Return what a training is put together from, by the setting that names it."""
    loss = _loss(config)
    return {"loss": () if loss is None else (loss,), "sampler": _samplers(config), "model": (_model(config),)}


_OURS: Final[Mapping[str, Mapping[str, Part]]] = {
    "loss": LOSSES,
    "sampler": SAMPLERS,
    "model": {**MODELS, **SOLVED},
}


def _says(part: Part, setting: str) -> bool:
    return setting in part.reads_settings or setting.partition(".")[0] in part.reads_settings


def _declared(setting: str) -> Reader | None:
    """Return who reads a setting by what parts say; where those of two kinds do, it is read with both."""
    readers = {kind: [name for name, part in ours.items() if _says(part, setting)] for kind, ours in _OURS.items()}
    kinds = {kind: names for kind, names in readers.items() if names}
    told = " with ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items())
    return (told, lambda config: _is_said(config, setting, tuple(kinds))) if kinds else None


def _is_said(config: CFConfig, setting: str, kinds: Iterable[str]) -> bool:
    parts = _parts(config)
    return all(any(_says(part, setting) for part in parts[kind]) for kind in kinds)


def _both(first: Reader | None, second: Reader) -> Reader:
    if first is None:
        return second
    return f"{first[0]} with {second[0]}", lambda config: first[1](config) and second[1](config)


GRADIENTS: Final[Reader] = "models that gradients train", lambda config: config.model not in SOLVED
VALIDATION: Final[Reader] = "cf.validation split", lambda config: config.validation == "split"
EVERYONES: Final[Mapping[str, Reader]] = {
    "sampler": ("losses that draw negatives", lambda config: bool(_samplers(config))),
    **dict.fromkeys(("loss", "lr", "optimiser", "schedule", "warm_up", "gradients", "batch_size", "init"), GRADIENTS),
}
"""Settings that are no matter of a single model, sampler or loss."""
_CONDITIONS: Final[Mapping[str, Reader]] = {
    "init_std": ("cf.init normal", lambda config: config.init == "normal" and config.model not in SOLVED),
    "adam": ("optimiser adam", lambda config: config.optimiser == "adam" and config.model not in SOLVED),
    **dict.fromkeys(("patience", "eval_every"), VALIDATION),
    **dict.fromkeys(("guard_features", "belief"), ("cf.guard above 0", lambda config: config.guard > 0)),
    "graph_neighbours": ("cf.graph or cf.tiers above 0", lambda config: config.graph > 0 or config.tiers > 0),
    "softmax.magnitude": ("cf.softmax.similarity cosine", lambda config: config.softmax.similarity == "cosine"),
    "teacher": (
        "cf.fusion or cf.softmax.distill above 0",
        lambda config: config.fusion not in {"none", 0} or config.softmax.distill > 0,
    ),
    "softmax.distill_temperature": ("cf.softmax.distill above 0", lambda config: config.softmax.distill > 0),
}
_WORDS: Final = {
    "dim": "models with embeddings",
    "epochs": "models that take more than one",
    "reg": "models with a table",
    "layers": "models that propagate",
    "precision": "models that propagate",
}
"""Of settings that most models read: what these are, in place of all names."""


def _readers() -> Iterator[tuple[str, Reader]]:
    named = {setting for ours in _OURS.values() for part in ours.values() for setting in part.reads_settings}
    for setting in sorted({*named, *_CONDITIONS}):
        reader = _declared(setting)
        if setting in _CONDITIONS:
            reader = _both(reader, _CONDITIONS[setting])
        if reader is not None:
            yield setting, (_WORDS.get(setting, reader[0]), reader[1])


READERS: Final[Mapping[str, Reader]] = {**EVERYONES, **dict(_readers())}
"""Who reads a setting, by its path within ``cf`` or that of its section; a path that isn't here is read always."""


def unread_settings(config: CFConfig, paths: Iterable[str]) -> dict[str, str]:
    """Return which of some paths (within ``cf``) a training by ``config`` doesn't read, and who would."""
    found: dict[str, str] = {}
    for path in paths:
        told, reads = READERS.get(path) or READERS.get(path.partition(".")[0], ("all", lambda _: True))
        if not reads(config):
            found[path] = told
    return found


def reads_weights(config: CFConfig) -> bool:
    """Tell whether a training draws pairs, and so can draw them by their weights (``CFData.weights``)."""
    loss = _loss(config)
    return loss is not None and not loss.whole_users


def reject_ignored_settings(config: CFConfig) -> None:
    """Raise InputError where a setting would change nothing, such as a guard without candidates."""
    _reject_settings_of_candidates(config)
    loss, sampler, reads = LOSSES[config.loss], sampler_class(config.sampler), _model(config).reads_settings
    if config.graph and "graph" not in reads:
        raise InputError(f"cf.graph {config.graph} is part of lightgcn, not of {config.model!r}; use lightgcn or 0")
    if config.tiers and ("tiers" not in loss.reads_settings or sampler.reads == "hops"):
        raise InputError(
            f"cf.tiers {config.tiers} ranks above a pair's own negatives, and loss {config.loss!r} with sampler "
            f"{config.sampler!r} has none that are items; use bpr or hinge with another sampler, or set it 0"
        )
    if config.bias and "bias" not in reads:
        raise InputError(f"cf.bias is part of mf, not of {config.model!r}; use mf or set it false")
    if config.precision != "float32" and "precision" not in reads:
        raise InputError(
            f"cf.precision is that of a propagation and {config.model} has none; use float32 or another model"
        )
    if "ssl.weight" in reads and not config.layers:
        raise InputError(f"cf.layers 0 leaves {config.model!r} no graph to take two views of; use 1 or more")
    if "ssl.layer" in reads and config.ssl.layer > config.layers:
        raise InputError(
            f"cf.ssl.layer {config.ssl.layer} is beyond the last of cf.layers {config.layers}; choose one up to that"
        )
    if not loss.draws and config.sampler != "rns":
        raise InputError(
            f"cf.loss {config.loss!r} takes the whole catalogue and draws nothing by {config.sampler!r}; "
            "leave cf.sampler at rns"
        )
    if config.softmax.distill and "softmax.distill" not in loss.reads_settings:
        raise InputError(f"cf.softmax.distill is part of loss softmax, not of {config.loss!r}; use softmax or set it 0")


def _reject_settings_of_candidates(config: CFConfig) -> None:
    if sampler_drawn_by(config).chooses_among_candidates:
        return
    sampled_by = config.base_sampler if sampler_class(config.sampler).mixes else config.sampler
    names = ", ".join(name for name, sampler in SAMPLERS.items() if sampler.chooses_among_candidates)
    told = f"the candidates of {names}, not {sampled_by!r}; use one of these or 0"
    if config.guard:
        raise InputError(f"cf.guard {config.guard} guards {told}")
    if config.pool_share:
        raise InputError(f"cf.pool_share {config.pool_share} is a share of {told}")
