"""Which settings a training reads, by its model, sampler and loss: what is set and not read changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from hnlm_ray.cf.settings import CANDIDATE_SAMPLERS
from hnlm_ray.cf.solved import SOLVED
from hnlm_ray.config import CFConfig

CATALOGUE_LOSSES: Final = frozenset({"softmax", "sfcml"})
MIXED: Final = frozenset({"pool", "vectors"})
COUNTED: Final = frozenset({"ease", "popularity"})
"""Models without embeddings, solved at once."""

Reader = tuple[str, Callable[[CFConfig], bool]]


def _sampler(config: CFConfig) -> str | None:
    """Return what draws the items, under a pool or vectors too; none where nothing is drawn."""
    if config.model in SOLVED or config.loss in CATALOGUE_LOSSES:
        return None
    return config.base_sampler if config.sampler in MIXED else config.sampler


def _models(*names: str) -> Reader:
    return f"model {', '.join(names)}", lambda config: config.model in names


def _losses(*names: str) -> Reader:
    return f"loss {', '.join(names)}", lambda config: config.model not in SOLVED and config.loss in names


def _samplers(*names: str) -> Reader:
    return f"sampler {', '.join(names)}", lambda config: _sampler(config) in names


def _mixing(*names: str) -> Reader:
    told = f"sampler {', '.join(names)}"
    return told, lambda config: _sampler(config) is not None and config.sampler in names


def _both(first: Reader, second: Reader) -> Reader:
    return f"{first[0]} with {second[0]}", lambda config: first[1](config) and second[1](config)


GRADIENTS: Final[Reader] = "models that gradients train", lambda config: config.model not in SOLVED
GRAPH: Final[Reader] = "models that propagate", lambda config: config.model not in {"mf", *SOLVED}
VALIDATION: Final[Reader] = "cf.validation split", lambda config: config.validation == "split"
SAMPLED: Final = _losses("sampled_softmax")
SSL: Final = _models("sgl", "simgcl", "xsimgcl")
RLMREC: Final = _models("rlmrec_con", "rlmrec_gen")

READERS: Final[dict[str, Reader]] = {
    "sampler": ("losses that draw negatives", lambda config: _sampler(config) is not None),
    "loss": GRADIENTS,
    "margin": _losses("hinge", "sfcml"),
    "dim": ("models with embeddings", lambda config: config.model not in COUNTED),
    "layers": GRAPH,
    "bias": _models("mf"),
    "dropout": _models("ngcf"),
    **dict.fromkeys(("lr", "optimiser", "schedule", "warm_up", "gradients", "batch_size"), GRADIENTS),
    "init": GRADIENTS,
    "init_std": ("cf.init normal", lambda config: config.init == "normal" and config.model not in SOLVED),
    "adam": ("optimiser adam", lambda config: config.optimiser == "adam" and config.model not in SOLVED),
    "reg": ("models with a table", lambda config: config.model not in {"alpharec", *SOLVED}),
    "precision": GRAPH,
    "epochs": ("models that take more than one", lambda config: config.model not in COUNTED),
    **dict.fromkeys(("patience", "eval_every"), VALIDATION),
    "popularity_power": _samplers("pns"),
    **dict.fromkeys(("candidates", "pool_share", "guard"), _samplers(*CANDIDATE_SAMPLERS)),
    "dins_alpha": _samplers("dins"),
    **dict.fromkeys(("alpha", "base_sampler"), _mixing("pool", "vectors")),
    **dict.fromkeys(("adapter_hidden", "adapter_attention", "adapter_training"), _mixing("vectors")),
    **dict.fromkeys(("contrastive", "temperature", "alignment"), _mixing("vectors")),
    **dict.fromkeys(("guard_features", "belief"), ("cf.guard above 0", lambda config: config.guard > 0)),
    "graph": _models("lightgcn"),
    "tiers": _losses("bpr", "hinge"),
    "graph_neighbours": ("cf.graph or cf.tiers above 0", lambda config: config.graph > 0 or config.tiers > 0),
    **dict.fromkeys(("softmax.similarity", "softmax.temperature"), _losses("softmax", "sampled_softmax")),
    "softmax.magnitude": _both(
        _losses("softmax", "sampled_softmax"),
        ("cf.softmax.similarity cosine", lambda config: config.softmax.similarity == "cosine"),
    ),
    "softmax.negatives": _both(SAMPLED, _samplers("rns", "pns")),
    "softmax.log_q": _both(SAMPLED, _samplers("pns", "in_batch")),
    "teacher": (
        "cf.fusion or cf.softmax.distill above 0",
        lambda config: config.fusion not in {"none", 0} or config.softmax.distill > 0,
    ),
    "softmax.distill": _losses("softmax"),
    "softmax.distill_temperature": ("cf.softmax.distill above 0", lambda config: config.softmax.distill > 0),
    "dns": _samplers("dns_mn"),
    "srns": _samplers("srns"),
    "ahns": _samplers("ahns"),
    **dict.fromkeys(("ssl.weight", "ssl.temperature"), SSL),
    **dict.fromkeys(("ssl.views", "ssl.drop"), _models("sgl")),
    "ssl.noise": _models("simgcl", "xsimgcl"),
    "ssl.layer": _models("xsimgcl"),
    "text.hidden": _models("id_text", "alpharec", "rlmrec_con", "rlmrec_gen", "kar"),
    **dict.fromkeys(("text.weight", "text.temperature"), RLMREC),
    "text.mask": _models("rlmrec_gen"),
    **dict.fromkeys(("text.shared_experts", "text.own_experts"), _models("kar")),
    **dict.fromkeys(("text.triples", "text.prune"), _models("llmrec")),
    "ease": _models("ease"),
    "ials": _models("ials"),
}
"""Who reads a setting, by its path within ``cf`` or that of its section; a path that isn't here is read always."""


def unread_settings(config: CFConfig, paths: Iterable[str]) -> dict[str, str]:
    """Return which of some paths (within ``cf``) a training by ``config`` doesn't read, and who would."""
    found: dict[str, str] = {}
    for path in paths:
        told, reads = READERS.get(path) or READERS.get(path.partition(".")[0], ("all", lambda _: True))
        if not reads(config):
            found[path] = told
    return found
