"""The teacher, the supervision records, the fine-tuning and the negatives in embedding form."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hnlm_ray.config.base import Count, PairChoice, Probability, Section
from hnlm_ray.config.cf import CFConfig


class TeacherCFConfig(CFConfig):
    """The teacher's training: as `cf`, but for exactly `epochs` epochs on training rows alone."""

    epochs: Annotated[int, Field(ge=0)] = Field(60, description="Epochs of the training.")
    validation: Literal["none"] = Field("none", description="A teacher sees training rows alone.")


class CFTeacherConfig(Section):
    """The CF model that supplies collaborative signals: trained on training rows alone, or your own."""

    embeddings: str | None = Field(
        None, description="Folder with your own users and items (.parquet, or .npy with ids); none: `cf` is trained."
    )
    cf: TeacherCFConfig = TeacherCFConfig()
    pairs_per_user: Count = Field(8, description="Training pairs of a user for which hard negatives are mined.")
    window: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        (10, 60), description="First and last rank of the mined items in the user's ranking without training items."
    )
    guard_margin: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="A mined item scores at least this many standard deviations of the user's scores below the "
        "pair's positive: what scores higher is taken for a false negative.",
    )
    mined: Count = Field(8, description="Hard negatives kept for a pair, the most similar to its positive first.")

    @model_validator(mode="after")
    def _comes_before_the_llm(self) -> CFTeacherConfig:
        if self.cf.sampler in {"pool", "vectors"} or self.cf.guard or self.cf.pool_share or self.cf.graph:
            raise ValueError(
                "cf must be classical (rns, pns or dns, without guard, pool and graph): it comes before the LLM"
            )
        if self.window[0] > self.window[1]:
            raise ValueError("window needs its first rank before its last")
        return self


class RecordsConfig(Section):
    """Supervision records: which mined pairs the LLM learns from, and from whom it is held back."""

    most: Count = Field(10_000, description="Records in all; about 10,000 are enough (paper).")
    held_out_users: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.15, description="Share of the users whose records are not trained on but measured."
    )
    negatives: Annotated[int, Field(ge=0)] = Field(
        4, description="Random items that a record pushes away beside its positive item."
    )
    user_chars: Annotated[int, Field(ge=0)] = Field(300, description="Characters of the user profile in the query.")
    item_chars: Annotated[int, Field(ge=0)] = Field(200, description="Characters of the item profile in the query.")


class LoraConfig(Section):
    """Low-rank adaptation (Hu et al., 2021), through PEFT."""

    rank: Count = Field(32, description="r.")
    alpha: Count = Field(64, description="The update is scaled by alpha / r.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("q_proj", "k_proj", "v_proj", "o_proj")


class FinetuneConfig(Section):
    """Fine-tuning under collaborative supervision, on Ray Train with DeepSpeed."""

    enabled: bool = Field(
        default=True, description="False: no teacher, fine-tuning or embedding; the text form is used alone."
    )
    model: str | None = Field(
        None, description="As llm.model, which is taken when none; 'tiny': a random two-layer model for dry runs."
    )
    query: str = Field("hard_negative_query.v1", description="A query of hnlm_ray/finetune/queries, or a file's path.")
    vectors: Literal["soft_tokens", "text"] = Field(
        "soft_tokens", description="How CF vectors enter: through a trained projector, or printed as numbers."
    )
    soft_tokens: Annotated[int, Field(ge=1, le=16)] = Field(2, description="Soft tokens for each vector.")
    max_tokens: Annotated[int, Field(ge=16)] = Field(160, description="Tokens of a query; longer texts are cut.")
    lora: LoraConfig = LoraConfig()
    head_start: Literal["ridge", "random"] = Field(
        "ridge", description="ridge: the head starts as the linear probe of the untuned LLM, then all is trained."
    )
    epochs: Count = 5
    batch_size: Count = Field(32, description="Records a step, over all workers.")
    micro_batch: Count = Field(
        8, description="Records that a worker computes at once; the rest is accumulated, to the same loss."
    )
    lr: Annotated[float, Field(gt=0)] = Field(2e-5, description="Learning rate of the LoRA weights.")
    new_lr: Annotated[float, Field(gt=0)] = Field(1e-4, description="Of the projector and the head, which start new.")
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    warmup: Probability = Field(0.05, description="Share of the steps over which learning rates rise.")
    temperature: Annotated[float, Field(gt=0)] = Field(0.05, description="Of the contrastive loss.")
    rival_targets: bool = Field(
        default=True,
        description="The targets of a batch are negatives of its other records too; False: as in the paper.",
    )
    workers: Count = Field(2, description="Ray Train workers; a run that resumes needs the same number.")
    cpus_per_worker: Annotated[float, Field(gt=0)] = 1
    gpus_per_worker: Annotated[float, Field(ge=0)] = 0
    zero_stage: Annotated[int, Field(ge=0, le=3)] = Field(2, description="DeepSpeed ZeRO stage.")
    offload: Literal["none", "cpu"] = Field("none", description="cpu: ZeRO's optimiser state in main memory.")
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    gradient_checkpointing: bool = Field(default=False, description="Compute activations twice to save memory.")
    checkpoint_every: Count = Field(20, description="Steps between checkpoints: the grain of resuming.")
    max_failures: Annotated[int, Field(ge=0)] = Field(3, description="Worker losses after which it gives up.")

    @model_validator(mode="after")
    def _batches_fit_the_workers(self) -> FinetuneConfig:
        if self.batch_size % (self.workers * self.micro_batch):
            raise ValueError(
                f"batch_size {self.batch_size} must be a multiple of workers x micro_batch "
                f"({self.workers} x {self.micro_batch})"
            )
        return self


class EmbeddingsConfig(Section):
    """Negatives in embedding form: one forward pass of the fine-tuned LLM a pair."""

    engine: Literal["vllm", "torch"] = Field("vllm", description="torch: the training graph; slower, needs no vLLM.")
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    pairs_per_user: Annotated[int, Field(ge=0)] = Field(4, description="Training pairs of a user that get a vector.")
    choose: PairChoice = Field("informative", description="Which pairs, as `negatives.choose`.")
