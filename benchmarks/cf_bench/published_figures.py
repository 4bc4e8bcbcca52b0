"""What others published on public splits, with their settings: what an implementation can be verified against.

Each figure was read in the source that is named, none is from memory. ``NO_FIGURE`` says of every other name that
``hnlm cf train`` knows why there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

Means = dict[str, float]


def means(recall: float, ndcg: float | None = None) -> Means:
    """Return Recall@20 and, where it was told, NDCG@20."""
    return {"recall@20": recall} | ({} if ndcg is None else {"ndcg@20": ndcg})


@dataclass(frozen=True)
class Published:
    """A published figure.

    Attributes
    ----------
    names
        The models, samplers and losses of ``hnlm cf train`` that it verifies.
    settings
        The section ``cf`` that is theirs.
    epochs
        After how many epochs their figure is: the best of theirs on test, which all of these chose. So it is no
        claim, and the honest figure stands beside it.
    curve
        What their log says of earlier epochs.
    seeds
        How many seeds are measured here: the mean counts.
    least
        What a change to the engine must not fall below, by epoch.
    """

    names: tuple[str, ...]
    title: str
    dataset: str
    settings: dict[str, Any]
    epochs: int
    figures: Means
    source: str
    curve: dict[int, Means] = field(default_factory=dict)
    seeds: int = 1
    least: dict[int, Means] = field(default_factory=dict)


_SAME: Final = {"dim": 64, "lr": 1e-3, "batch_size": 2048, "init": "xavier_uniform"}
_IN_BATCH: Final = {
    "loss": "sampled_softmax",
    "sampler": "in_batch",
    "softmax": {"temperature": 0.12, "log_q": False, "magnitude": 1.0},
    "reg": 1e-5,
}

FIGURES: Final = (
    Published(
        ("mf", "ahns", "bpr"),
        "MF + AHNS",
        "phone",
        {
            **_SAME,
            "model": "mf",
            "sampler": "ahns",
            "candidates": 32,
            "ahns": {"alpha": 1.0, "beta": 0.1, "power": -2.0},
            "reg": 1e-4,
        },
        41,
        means(0.1304, 0.0711),
        "log of the authors (phone-mf.ipynb of Riwei-HEU/AHNS), epoch index 40",
        curve={6: means(0.0969), 11: means(0.1123), 21: means(0.1275), 31: means(0.1296, 0.0713)},
        seeds=3,
        least={41: means(0.130, 0.070)},
    ),
    Published(
        ("lightgcn", "rns", "bpr"),
        "LightGCN, 3 layers",
        "Gowalla",
        {**_SAME, "model": "lightgcn", "layers": 3, "reg": 1e-4, "init": "normal", "init_std": 0.1},
        1000,
        means(0.1824, 0.1547),
        "README of LightGCN-PyTorch, its log at epoch 5 and its best of 1000 epochs",
        curve={5: means(0.1071, 0.0894)},
        least={5: means(0.105, 0.088)},
    ),
    Published(
        ("lightgcn", "in_batch", "sampled_softmax"),
        "LightGCN, 1 layer, in-batch softmax ranked by dot product",
        "Gowalla",
        {**_SAME, **_IN_BATCH, "model": "lightgcn", "layers": 1},
        152,
        means(0.1874, 0.1571),
        "log of BSL's authors (junkangwu/BSL, softmax loss, temperature .12)",
        curve={1: means(0.1507), 2: means(0.1619), 5: means(0.1720), 10: means(0.1783), 20: means(0.1830)},
    ),
    Published(
        ("mf", "rns", "bpr"),
        "MF",
        "Gowalla",
        {**_SAME, "model": "mf", "reg": 1e-8},
        465,
        means(0.1491, 0.1235),
        "log of a public benchmark (MTandHJ/RePo, BPRMF)",
    ),
    Published(
        ("ngcf",),
        "NGCF, 3 layers",
        "Gowalla",
        {**_SAME, "model": "ngcf", "layers": 3, "lr": 1e-4, "batch_size": 1024, "reg": 1e-5},
        400,
        means(0.1570, 0.1327),
        "its authors' paper, as BARS quotes it",
    ),
)

_TEXT: Final = "reads text, and these splits have none"
_OTHER: Final = "published on other splits alone (Yelp2018, Alibaba, Amazon): none of them lies here"
NO_FIGURE: Final = {
    "sgl": _OTHER,
    "simgcl": _OTHER,
    "xsimgcl": _OTHER,
    "ease": "BARS has .1765 / .1467 on Gowalla, whose 40,981 items are above this EASE's limit of 20,000",
    "popularity": "a count of training positives, with nothing to be reproduced",
    "ials": "no figure on these splits was found: it is not in the public leader boards of Gowalla",
    "id_text": _TEXT,
    "alpharec": _TEXT,
    "rlmrec_con": _TEXT,
    "rlmrec_gen": _TEXT,
    "kar": _TEXT,
    "llmrec": _TEXT,
    "pns": "no figure on these splits was found",
    "dns": "no figure on these splits was found; its paper's are on other data",
    "dns_mn": "no figure on these splits was found; its paper's are on other data",
    "srns": "no figure on these splits was found",
    "mixgcf": _OTHER,
    "dins": _OTHER,
    "hinge": "no figure with these models was found",
    "softmax": "no log of MF or LightGCN trained by it was found; nearest: Mult-VAE on Gowalla .1641 / .1335",
    "sfcml": "no figure on these splits was found; its paper's are on other data",
}
"""Why a name has no published figure here."""
