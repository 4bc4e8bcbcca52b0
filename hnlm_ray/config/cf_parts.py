"""Settings that one model, sampler or loss alone reads: sections of ``cf``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hnlm_ray.config.base import Count, Probability, Section

NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Dropped = Annotated[float, Field(ge=0, lt=1)]


class AdamConfig(Section):
    """Optimiser adam (Kingma & Ba, ICLR 2015, whose values these are)."""

    beta_1: Dropped = Field(0.9, description="Decay of the gradients' mean.")
    beta_2: Dropped = Field(0.999, description="Decay of the squared gradients' mean.")
    epsilon: Positive = Field(1e-8, description="Added to the root of the latter.")


class SoftmaxConfig(Section):
    """Losses softmax and sampled_softmax, and what is distilled into softmax."""

    similarity: Literal["cosine", "dot"] = Field("cosine", description="What is scored in training.")
    magnitude: Probability = Field(
        0.25,
        description="cosine: in ranking an item's cosine counts times the length of its embedding to this power; "
        "0 ranks by cosine, 1 as the dot product does (Wu et al., TOIS 2024).",
    )
    temperature: Positive = Field(0.2, description="Scores are divided by it.")
    negatives: Count = Field(512, description="sampled_softmax: N drawn for each pair by sampler rns or pns.")
    log_q: bool = Field(default=True, description="sampled_softmax: correct each score by log of its odds to be drawn.")
    distill: NotNegative = Field(0.0, description="softmax: weight of KL(teacher || model) over the catalogue.")
    distill_temperature: Positive = Field(2.0, description="The teacher's scores are divided by it.")


class DNSConfig(Section):
    """Sampler dns_mn: DNS(M,N), N being cf.candidates (Shi et al., WWW 2023)."""

    top: Count = Field(2, description="M: how many of the highest scores are kept.")
    rule: Literal["sum", "one"] = Field("sum", description="sum: the loss of all M; one: one of them at random.")


class SRNSConfig(Section):
    """Sampler srns (Ding et al., NeurIPS 2020)."""

    memory: Count = Field(8, description="S1: candidates that each user keeps.")
    fresh: Count = Field(64, description="S2: uniform items that may enter the memory in each step.")
    temperature: Positive = Field(10.0, description="tau: the memory is drawn by softmax(s / tau).")
    variance: NotNegative = Field(5.0, description="alpha: weight of the deviation over the last epochs.")
    warm_up: Annotated[int, Field(ge=0)] = Field(50, description="Epochs over which alpha rises from 0.")
    epochs: Annotated[int, Field(ge=2)] = Field(5, description="Epochs that the deviation is taken over.")


class AHNSConfig(Section):
    """Sampler ahns (Lai et al., AAAI 2024); M is cf.candidates."""

    alpha: NotNegative = Field(0.1, description="Added to the positive's score.")
    beta: NotNegative = Field(0.4, description="Scales the wanted hardness.")
    power: Annotated[float, Field(lt=-1)] = Field(-2.0, description="p: the wanted score is beta (s + alpha)^(p+1).")


class SSLConfig(Section):
    """Models sgl, simgcl and xsimgcl: the contrast of two views."""

    weight: NotNegative = Field(0.1, description="Weight of the InfoNCE term.")
    temperature: Positive = 0.2
    views: Literal["edge", "node"] = Field("edge", description="sgl: what a view leaves out.")
    drop: Dropped = Field(0.1, description="sgl: share of edges or nodes that a view leaves out.")
    noise: NotNegative = Field(0.1, description="simgcl, xsimgcl: length of the noise added in each layer.")
    layer: Count = Field(1, description="xsimgcl: the layer that is contrasted with the last.")


class TextConfig(Section):
    """Models that read text vectors: id_text, alpharec, rlmrec_con, rlmrec_gen, kar, llmrec."""

    hidden: tuple[Count, ...] = Field((128,), description="Hidden widths of the MLPs on text.")
    weight: NotNegative = Field(0.01, description="rlmrec_con, rlmrec_gen: weight of the term that meets the text.")
    temperature: Positive = Field(0.2, description="rlmrec_con, rlmrec_gen: of their InfoNCE.")
    mask: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="rlmrec_gen: share of nodes masked.")
    shared_experts: Count = Field(2, description="kar: experts that user and item texts share.")
    own_experts: Count = Field(4, description="kar: experts that each of the two has alone.")
    triples: Probability = Field(0.1, description="llmrec: augmented triples, as a share of a batch.")
    prune: Dropped = Field(0.71, description="llmrec: share of the augmented triples left out, the highest losses.")


class EASEConfig(Section):
    """Model ease (Steck, WWW 2019)."""

    reg: Positive = Field(200.0, description="L2 of the item weights; with a normalised Gram far less (1 to 20).")
    normalise: bool = Field(default=False, description="Weigh each user by 1 / history length in the Gram.")
    text: NotNegative = Field(0.0, description="Weight al of the text kernel in the Gram; 0 reads no text.")


class IALSConfig(Section):
    """Model ials (Hu et al., ICDM 2008; Rendle et al., RecSys 2022)."""

    unobserved: Positive = Field(0.1, description="alpha0: weight of a pair that is not observed.")
    reg: Positive = Field(0.003, description="lambda: L2, scaled by what each row is trained on.")
    power: Probability = Field(1.0, description="nu: 0 regularises all rows alike, 1 by frequency.")
    init_std: Positive = Field(0.1, description="A coordinate starts as N(0, init_std^2 / d) (Rendle et al.: 0.1).")


class BeliefConfig(Section):
    """The false-negative model that a guard rests on."""

    model: Literal["logistic", "mlp"] = Field("logistic", description="mlp: 16 hidden units, which can join features.")
    popularity: bool = Field(default=True, description="Whether it knows an item's popularity, which hurts cold ones.")
    verdict: NotNegative = Field(
        1.0, description="What an LLM's verdict counts, in deviations of a user's beliefs; 0 reads none."
    )


class TeacherConfig(Section):
    """The teacher of late fusion and of distillation; with all of its text weights 0 it reads no text."""

    reg: Positive = Field(10.0, description="L2 of its EASE; without `normalise` far more (100 to 1,000).")
    normalise: bool = Field(default=True, description="Weigh each user by 1 / history length in its Gram matrix.")
    kernel: NotNegative = Field(0.2, description="Weight of the text kernel in its Gram matrix.")
    profile: NotNegative = Field(0.2, description="Weight of S1: the text of a user's items against the item's.")
    votes: NotNegative = Field(0.2, description="Weight of S2: votes of a user's items for their text neighbours.")
    cold: NotNegative = Field(1.0, description="Weight of S1 for items with few positives, who have little else.")
    llm_profile: NotNegative = Field(0.0, description="Weight of S3: a user's own text against the item's.")
    verdict: NotNegative = Field(0.0, description="Weight of an LLM's verdicts: 1 wanted, -1 not.")

    @property
    def reads_text(self) -> bool:
        """Tell whether a weight of a text is above 0."""
        return any((self.kernel, self.profile, self.votes, self.cold, self.llm_profile))
