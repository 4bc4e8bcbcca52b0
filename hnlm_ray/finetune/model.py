"""The model that is fine-tuned: CF vectors and texts in, a vector in the teacher's space out.

One definition for training, evaluation and inference: :func:`prompt_embeddings` and :func:`pooled`, against which
vLLM is tested.

Putting the model together: the LLM of the configuration, LoRA, a new projector and head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import Config, FinetuneConfig
from hnlm_ray.finetune.query import ITEM_VECTOR, USER_VECTOR, Query, QueryEncoder, QueryForm, load_query
from hnlm_ray.llm.models import base_model, model_on_this_node


class Projector(nn.Module):
    """A CF vector float32[batch, k] to soft tokens float32[batch, n, hidden], of the length of real tokens.

    ``scale`` is the root mean square of the LLM's own token embeddings.
    """

    def __init__(self, k: int, hidden: int, soft_tokens: int, scale: float) -> None:
        super().__init__()
        self.soft_tokens, self.scale = soft_tokens, scale
        self.layers = nn.Sequential(nn.Linear(k, hidden), nn.GELU(), nn.Linear(hidden, soft_tokens * hidden))

    def forward(self, vectors: Tensor) -> Tensor:
        """Project; the length of a CF vector (popularity, mostly) is left out."""
        unit = functional.normalize(vectors, dim=1) * vectors.shape[1] ** 0.5
        tokens = self.layers(unit).view(len(vectors), self.soft_tokens, -1)
        return functional.layer_norm(tokens, tokens.shape[-1:]) * self.scale


class Head(nn.Module):
    """The pooled hidden state float32[batch, hidden], of unit length, to the teacher's space float32[batch, k].

    The hidden states of an LLM share most of their direction; centre and spread (of the training records before
    training) take that out, so that the head starts from what differs. They stay float32 in a model of any
    precision: ``statistics`` int32[2, hidden] holds their bits, which no cast of the module touches.
    """

    statistics: Tensor

    def __init__(self, hidden: int, k: int) -> None:
        super().__init__()
        start = torch.stack([torch.zeros(hidden), torch.ones(hidden)])
        self.register_buffer("statistics", start.view(torch.int32))
        self.linear = nn.Linear(hidden, k)

    def standardise(self, centre: Tensor, spread: Tensor) -> None:
        """Set the centre and spread of pooled states, float32[hidden] each."""
        self.statistics.copy_(torch.stack([centre, spread]).float().view(torch.int32))

    def forward(self, states: Tensor) -> Tensor:
        """Map to the teacher's space, not normalised."""
        centre, spread = self.statistics.view(torch.float32)
        mapped: Tensor = self.linear(((states - centre) / spread).to(self.linear.weight.dtype))
        return mapped


def pooled(hidden: Tensor, mask: Tensor) -> Tensor:
    """Return the last token's hidden state in unit length, float32[batch, hidden]: the one definition of pooling.

    ``hidden`` is [batch, tokens, hidden] after the LLM's final norm, ``mask`` [batch, tokens] with padding right.
    """
    last = mask.sum(1) - 1
    return functional.normalize(hidden[torch.arange(len(hidden), device=hidden.device), last].float(), dim=1)


def new_parts(hidden: int, k: int, soft_tokens: int, scale: float) -> tuple[Projector | None, Head]:
    """Return a projector (none without soft tokens) and a head for vectors of length k, with random weights."""
    return Projector(k, hidden, soft_tokens, scale) if soft_tokens else None, Head(hidden, k)


class HardNegativeModel(nn.Module):
    """LLM (with or without LoRA), projector (none: vectors are printed in the query) and head.

    ``llm`` is a causal LLM of transformers, PEFT's wrapper included. Its language-model head is not used.
    """

    def __init__(self, llm: Any, projector: Projector | None, head: Head) -> None:  # noqa: ANN401  transformers' own
        super().__init__()
        self.llm, self.projector, self.head = llm, projector, head

    def prompt_embeddings(self, queries: Sequence[Query], users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return the LLM's input [batch, tokens, hidden] and its mask, padded on the right.

        ``users`` and ``items`` are the teacher's vectors, float32[batch, k].
        """
        return prompt_embeddings(self.llm.get_input_embeddings(), self.projector, queries, users, items)

    def states(self, queries: Sequence[Query], users: Tensor, items: Tensor) -> Tensor:
        """Return pooled hidden states, float32[batch, hidden], of unit length."""
        embeddings, mask = self.prompt_embeddings(queries, users, items)
        output = _decoder(self.llm)(inputs_embeds=embeddings, attention_mask=mask, use_cache=False)
        return pooled(output.last_hidden_state, mask)

    def forward(self, queries: Sequence[Query], users: Tensor, items: Tensor) -> Tensor:
        """Return the vectors of hard negatives in the teacher's space, float32[batch, k]."""
        return self.head(self.states(queries, users, items)).float()  # type: ignore[no-any-return]  # torch's modules


def prompt_embeddings(
    tokens: Callable[[Tensor], Tensor], projector: Projector | None, queries: Sequence[Query], *vectors: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the LLM's input [batch, tokens, hidden] and its mask: the one place where soft tokens are put in.

    ``tokens`` gives the embeddings of token ids; ``vectors`` are those of users, then of items.
    """
    ids, mask = padded(queries, vectors[0].device)
    embeddings = tokens(ids.clamp(min=0))
    if projector is not None:
        for place, own in zip((USER_VECTOR, ITEM_VECTOR), vectors, strict=True):
            soft = projector(own.to(projector.layers[0].weight.dtype))  # type: ignore[arg-type]  # torch's modules
            # A query without places for soft tokens (an ablation) takes none.
            wanted = (ids == place).any(1)
            embeddings = embeddings.masked_scatter((ids == place)[..., None], soft[wanted].to(embeddings.dtype))
    return embeddings, mask


def padded(queries: Sequence[Query], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Return ids and mask int64[batch, longest], padded on the right with 0."""
    longest = max(len(query.ids) for query in queries)
    ids = torch.tensor([query.ids + [0] * (longest - len(query.ids)) for query in queries], device=device)
    mask = torch.tensor([[1] * len(query.ids) + [0] * (longest - len(query.ids)) for query in queries], device=device)
    return ids, mask


def _decoder(llm: Any) -> Any:  # noqa: ANN401  transformers' own
    """Return the LLM without its language-model head; PEFT's layers are inside."""
    causal = llm.get_base_model() if hasattr(llm, "get_base_model") else llm
    return causal.get_decoder()


def embedding_scale(llm: Any) -> float:  # noqa: ANN401  transformers' own
    """Return the root mean square of the LLM's token embeddings."""
    weights = llm.get_input_embeddings().weight.detach()
    return float(weights.float().pow(2).mean().sqrt())


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
