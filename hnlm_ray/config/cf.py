"""One CF training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hnlm_ray.base.outside import OrOutside
from hnlm_ray.config.base import AnyModel, Count, Probability, Section
from hnlm_ray.config.cf_parts import (
    AdamConfig,
    AHNSConfig,
    BeliefConfig,
    DNSConfig,
    EASEConfig,
    IALSConfig,
    SoftmaxConfig,
    SRNSConfig,
    SSLConfig,
    TeacherConfig,
    TextConfig,
)

SamplerName = Literal["rns", "pns", "dns", "dns_mn", "srns", "mixgcf", "dins", "ahns", "in_batch", "pool", "vectors"]


class CFConfig(Section):
    """One CF training: model, sampler, loss, optimiser, stopping."""

    model: AnyModel = Field(
        "lightgcn",
        description="Of a training alone; in a pipeline tune.models chooses. module:Class is a model of your own.",
    )
    sampler: Annotated[SamplerName, OrOutside("cf.sampler")] = Field(
        "rns",
        description="Of a training alone; in a pipeline tune.methods chooses. module:Class is a sampler of your own.",
    )
    loss: Literal["bpr", "hinge", "softmax", "sampled_softmax", "sfcml"] = Field(
        "bpr", description="softmax (exact, over the catalogue) and sfcml take whole users and draw no negative."
    )
    margin: Annotated[float, Field(ge=0)] = Field(0.3, description="hinge, sfcml: how far a positive must lead.")
    dim: Count = Field(64, description="Length d of an embedding.")
    layers: Annotated[int, Field(ge=0, le=8)] = Field(2, description="Propagation layers of the graph models.")
    bias: bool = Field(default=False, description="mf: a bias of each user and item.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.1, description="ngcf: of messages, in training.")
    init: Literal["auto", "xavier_uniform", "xavier_normal", "normal"] = Field(
        "auto",
        description="How embeddings start. xavier_*: variance 2 / (rows + dim) of each table, users and items apart "
        "(Glorot & Bengio, AISTATS 2010); normal: deviation init_std; auto: xavier_uniform, but normal with 0.1 for "
        "lightgcn, with or without text, by a pair loss above 50,000 users and items together.",
    )
    init_std: Annotated[float, Field(gt=0)] = Field(
        0.1, description="init normal: the deviation (LightGCN's code: 0.1)."
    )
    lr: Annotated[float, Field(gt=0)] = 1e-3
    reg: Annotated[float, Field(ge=0)] = Field(1e-4, description="L2 weight on the embeddings of a batch.")
    optimiser: Literal["adam", "adagrad"] = "adam"
    adam: AdamConfig = AdamConfig()
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="How lr goes from its value (first epoch) towards 0 (after the last)."
    )
    warm_up: Annotated[int, Field(ge=0)] = Field(0, description="Epochs over which lr rises to its value.")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="bfloat16: the graph models propagate in it; what is learnt stays float32."
    )
    gradients: Literal["closed", "autograd"] = Field(
        "closed", description="closed: written out where there is such a form, else autograd; autograd: always."
    )
    batch_size: Count = Field(2048, description="Pairs of a step; losses that take whole users: up to so many.")
    epochs: Annotated[int, Field(ge=0)] = Field(100, description="Most epochs of a training.")
    patience: Count = Field(10, description="Evaluations without improvement before it stops.")
    eval_every: Count = Field(1, description="Epochs between evaluations on validation.")
    validation: Literal["split", "none"] = Field(
        "split", description="none: train on validation rows as well, for exactly `epochs` epochs."
    )
    popularity_power: Annotated[float, Field(ge=0)] = Field(0.75, description="PNS: p(j) ~ popularity^power.")
    candidates: Count = Field(
        8, description="Candidates of which one is taken: M of dns, ahns, mixgcf and dins; N of dns_mn."
    )
    pool_share: Probability = Field(0.0, description="Share of the candidates that come from the pair's own pool.")
    dins_alpha: Annotated[float, Field(gt=0)] = Field(2.0, description="dins: weight of the positive's side.")
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
        0.0, description="Lambda: how much a candidate believed to be a false negative is held back."
    )
    guard_features: Literal["cf", "text", "full"] = Field("full", description="What the guard's belief rests on.")
    belief: BeliefConfig = BeliefConfig()
    graph: Annotated[float, Field(ge=0)] = Field(
        0.0, description="lightgcn: weight w of the item-item graph of text neighbours."
    )
    tiers: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Pair losses: weight of ranking text neighbours of a positive above the negative."
    )
    graph_neighbours: Count = Field(10, description="Text neighbours of an item in that graph, and in tiers.")
    fusion: Literal["none", "validation"] | Annotated[float, Field(ge=0)] = Field(
        "none",
        description="Late fusion: the weight of the teacher's scores on top of the model's, or `validation`: the best "
        "there after each epoch.",
    )
    teacher: TeacherConfig = TeacherConfig()
    softmax: SoftmaxConfig = SoftmaxConfig()
    dns: DNSConfig = DNSConfig()
    srns: SRNSConfig = SRNSConfig()
    ahns: AHNSConfig = AHNSConfig()
    ssl: SSLConfig = SSLConfig()
    text: TextConfig = TextConfig()
    ease: EASEConfig = EASEConfig()
    ials: IALSConfig = IALSConfig()
