"""Two engines for the pooled hidden state of a prompt that holds soft tokens: vLLM, and the training graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from hnlm_ray.config import Config
from hnlm_ray.finetune.building import DTYPES
from hnlm_ray.finetune.export import Exported
from hnlm_ray.finetune.model import pooled

_BATCH = 16


class StateEngine(Protocol):
    """Pools the last token's hidden state of each prompt."""

    def states(self, prompts: Sequence[Tensor]) -> Tensor:
        """Return float32[n, hidden] of unit length for prompts float32[tokens, hidden]."""

    def shutdown(self) -> None:
        """Release processes and memory."""


def open_state_engine(config: Config, exported: Exported) -> StateEngine:
    """Start the engine of a configuration."""
    return _STATE_ENGINES[config.embeddings.engine](config, exported)


def pooling_arguments(config: Config, exported: Exported) -> dict[str, Any]:
    """Return vLLM's arguments; those of ``llm.engine_kwargs`` come last, as for text."""
    llm = config.llm
    return {
        "model": exported.folder,
        "runner": "pooling",
        "enable_prompt_embeds": True,
        "dtype": config.embeddings.dtype,
        "max_model_len": exported.form.max_tokens,
        "max_num_seqs": llm.max_num_seqs,
        "tensor_parallel_size": llm.tensor_parallel,
        "enforce_eager": not llm.gpus_per_engine,
        "trust_remote_code": llm.trust_remote_code,
        "enable_prefix_caching": False,
        "disable_log_stats": True,
    } | dict(llm.engine_kwargs)


class VLLMStates:
    """vLLM's pooling runner on prompt embeddings."""

    def __init__(self, config: Config, exported: Exported) -> None:
        from vllm import LLM

        self._dtype = DTYPES[config.embeddings.dtype]
        self._llm = LLM(**pooling_arguments(config, exported))

    def states(self, prompts: Sequence[Tensor]) -> Tensor:
        """See :class:`StateEngine`."""
        asked = [{"prompt_embeds": prompt.to(self._dtype)} for prompt in prompts]
        outputs = self._llm.embed(asked, use_tqdm=False)
        return torch.tensor([output.outputs.embedding for output in outputs])

    def shutdown(self) -> None:
        """See :class:`StateEngine`."""
        self._llm.llm_engine.engine_core.shutdown()


class TorchStates:
    """The training graph, in float32."""

    def __init__(self, exported: Exported) -> None:
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._decoder = exported.model().llm.get_decoder().to(self._device)

    @torch.inference_mode()
    def states(self, prompts: Sequence[Tensor]) -> Tensor:
        """See :class:`StateEngine`."""
        parts = [self._batch(prompts[start : start + _BATCH]) for start in range(0, len(prompts), _BATCH)]
        return torch.cat(parts)

    def _batch(self, prompts: Sequence[Tensor]) -> Tensor:
        embeddings = torch.nn.utils.rnn.pad_sequence(list(prompts), batch_first=True).to(self._device)
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=self._device)
        mask = (torch.arange(embeddings.shape[1], device=self._device)[None, :] < lengths[:, None]).long()
        output = self._decoder(inputs_embeds=embeddings, attention_mask=mask, use_cache=False)
        return pooled(output.last_hidden_state, mask).cpu()

    def shutdown(self) -> None:
        """Nothing to release."""


_STATE_ENGINES: Final[Mapping[str, Callable[[Config, Exported], StateEngine]]] = {
    "vllm": VLLMStates,
    "torch": lambda _config, exported: TorchStates(exported),
}
