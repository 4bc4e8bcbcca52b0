"""Scores and vectors as files that others read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.scoring import EmbeddingScores, Scorer

USERS_PER_BLOCK: Final = 256


def save_scores(scorer: Scorer, users: int, path: str | Path) -> None:
    """Write the scores of every user as .npy, float32[users, items], a block of users at a time.

    As ``teacher_scores.npy`` beside the interactions it is what a model can be distilled from.
    """
    scorer.check()
    header = {"descr": "<f4", "fortran_order": False, "shape": (users, scorer.items)}
    with open(path, "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[no-untyped-call]
        for start in range(0, users, USERS_PER_BLOCK):
            block = torch.arange(start, min(start + USERS_PER_BLOCK, users), device=scorer.device)
            stream.write(scorer.scores(block).cpu().numpy().astype("<f4").tobytes())


def export_index(scorer: Scorer, path: str | Path, description: str = "Flat") -> None:
    """Write a faiss index (inner product) of the items' vectors; its ids are item indices.

    Search it with the users' vectors. ``description`` is that of ``faiss.index_factory``: Flat is exact, HNSW32 or
    IVF256,Flat are approximate and faster.

    Raises
    ------
    InputError
        The scorer has no vectors, faiss is not installed, or it knows no such index.
    """
    if not isinstance(scorer, EmbeddingScores):
        raise InputError("a faiss index holds vectors and this model has none; train one that has embeddings")
    try:
        import faiss
    except ImportError as error:
        raise InputError("the package faiss is not installed: pip install faiss-cpu") from error
    vectors = np.ascontiguousarray(scorer.item_embeddings.cpu().numpy(), np.float32)
    try:
        index = faiss.index_factory(vectors.shape[1], description, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
        index.add(vectors)
    except RuntimeError as error:
        told = " ".join(str(error).split())[-100:]
        raise InputError(f"faiss can't make an index {description!r} of these vectors ({told}): try Flat") from error
    faiss.write_index(index, str(path))
