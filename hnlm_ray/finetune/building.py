"""Putting the model together: the LLM of the configuration, LoRA, a new projector and head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import Config, FinetuneConfig
from hnlm_ray.finetune.model import HardNegativeModel, embedding_scale, new_parts
from hnlm_ray.finetune.query import QueryEncoder, QueryForm, load_query
from hnlm_ray.llm.models import base_model, model_on_this_node

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def open_tokenizer(config: Config) -> Any:  # noqa: ANN401  transformers' own
    """Load the base model's tokenizer."""
    from transformers import AutoTokenizer

    path = model_on_this_node(base_model(config))
    return AutoTokenizer.from_pretrained(path, trust_remote_code=config.llm.trust_remote_code)


def query_form(config: FinetuneConfig) -> QueryForm:
    """Return what shapes queries."""
    return QueryForm(config.soft_tokens if config.vectors == "soft_tokens" else 0, config.max_tokens)


def query_encoder(config: Config) -> QueryEncoder:
    """Return what turns pairs into queries for the base model."""
    return QueryEncoder(open_tokenizer(config), load_query(config.finetune.query), query_form(config.finetune))


def open_llm(config: Config, dtype: torch.dtype = torch.float32) -> Any:  # noqa: ANN401  transformers' own
    """Load the base model as it came."""
    from transformers import AutoModelForCausalLM

    path = model_on_this_node(base_model(config))
    return AutoModelForCausalLM.from_pretrained(path, dtype=dtype, trust_remote_code=config.llm.trust_remote_code)


def with_lora(llm: Any, config: FinetuneConfig) -> Any:  # noqa: ANN401  transformers' own
    """Freeze an LLM and add LoRA weights.

    Raises
    ------
    InputError
        When it has no layer of the names in ``finetune.lora.targets``.
    """
    from peft import LoraConfig, get_peft_model

    lora = config.lora
    wanted = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=list(lora.targets)
    )
    try:
        return get_peft_model(llm, wanted)
    except ValueError as error:
        raise InputError(
            f"the model has no layers called {', '.join(lora.targets)}: set finetune.lora.targets to its own"
        ) from error


def new_model(config: Config, k: int, seed: int, *, lora: bool = True) -> HardNegativeModel:
    """Build the model as training starts: the same seed gives the same projector, head and LoRA weights."""
    torch.manual_seed(seed)
    llm = open_llm(config, DTYPES[config.finetune.precision])
    scale = embedding_scale(llm)
    if lora:
        llm = with_lora(llm, config.finetune)
    if config.finetune.gradient_checkpointing:
        llm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    torch.manual_seed(seed + 1)
    soft_tokens = query_form(config.finetune).soft_tokens
    return HardNegativeModel(llm, *new_parts(llm.config.hidden_size, k, soft_tokens, scale))


def trained_parameters(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield what fine-tuning changes: LoRA weights, projector and head, by name."""
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def trained_buffers(model: HardNegativeModel) -> dict[str, Tensor]:
    """Return what else an export needs to give the same vectors: the head's centre and spread."""
    return {"head.statistics": model.head.statistics}
