"""One CF training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hnlm_ray.config.base import Count, ModelName, Probability, Section


class CFConfig(Section):
    """One CF training: model, sampler, loss, optimiser, stopping."""

    model: ModelName = Field("lightgcn", description="Of a training alone; in a pipeline tune.models chooses.")
    sampler: Literal["rns", "pns", "dns", "pool", "vectors"] = Field(
        "rns", description="Of a training alone; in a pipeline tune.methods chooses."
    )
    loss: Literal["bpr", "hinge"] = "bpr"
    margin: Annotated[float, Field(ge=0)] = Field(0.3, description="hinge: how far a positive must lead.")
    dim: Count = Field(64, description="Length d of an embedding.")
    layers: Annotated[int, Field(ge=0, le=8)] = Field(2, description="Propagation layers of LightGCN.")
    lr: Annotated[float, Field(gt=0)] = 1e-3
    reg: Annotated[float, Field(ge=0)] = Field(1e-4, description="L2 weight on the embeddings of a batch.")
    batch_size: Count = 2048
    epochs: Annotated[int, Field(ge=0)] = Field(100, description="Most epochs of a training.")
    patience: Count = Field(10, description="Evaluations without improvement before it stops.")
    eval_every: Count = Field(1, description="Epochs between evaluations on validation.")
    validation: Literal["split", "none"] = Field(
        "split", description="none: train on validation rows as well, for exactly `epochs` epochs."
    )
    popularity_power: Annotated[float, Field(ge=0)] = Field(0.75, description="PNS: p(j) ~ popularity^power.")
    candidates: Count = Field(8, description="DNS: M, the candidates of which the hardest is taken.")
    alpha: Probability = Field(0.3, description="pool, vectors: e~ = alpha e_hard + (1 - alpha) e_sampled.")
    base_sampler: Literal["rns", "pns", "dns"] = Field("rns", description="pool, vectors: sampler of e_sampled.")
    adapter_hidden: tuple[Count, ...] = Field((128,), description="vectors: hidden widths of the adapter's MLP.")
    adapter_attention: bool = Field(default=False, description="vectors: self-attention before the MLP (paper v2).")
    adapter_training: Literal["joint", "alignment", "adversarial", "frozen"] = Field(
        "joint",
        description="vectors: what trains the adapter. joint: ranking and contrastive loss (paper); alignment: the "
        "alignment loss alone; adversarial: the same, and the ranking loss reversed; frozen: nothing (a control).",
    )
    contrastive: Annotated[float, Field(ge=0)] = Field(1e-3, description="vectors: weight of the contrastive term.")
    temperature: Annotated[float, Field(gt=0)] = Field(0.2, description="vectors: t of the contrastive term.")
    alignment: Annotated[float, Field(ge=0)] = Field(
        0.0, description="vectors: weight of the alignment of adapted teacher items with the model's items."
    )
    guard: Annotated[float, Field(ge=0)] = Field(
        0.0, description="dns: lambda, how much a candidate believed to be a false negative is held back."
    )
    guard_features: Literal["cf", "text", "full"] = Field("full", description="What the guard's belief rests on.")
    graph: Annotated[float, Field(ge=0)] = Field(
        0.0, description="lightgcn: weight w of the item-item graph of text neighbours."
    )
    graph_neighbours: Count = Field(10, description="Text neighbours of an item in that graph.")
