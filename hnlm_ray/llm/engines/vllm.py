"""vLLM behind the engine interface: asynchronous, so that many rows are decoded together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hnlm_ray.base.errors import HnlmError, StageError
from hnlm_ray.base.text import named
from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.engines.base import EngineDied, EngineKind, Generated, Request, request_seed, settings_of
from hnlm_ray.llm.models import check_model, model_identity, model_on_this_node
from hnlm_ray.llm.text.answers import clean
from hnlm_ray.llm.text.chat_tokens import ChatTokenizer

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

_BATCHED_TOKENS = 2048


def engine_arguments(config: LLMConfig, model: str, seed: int) -> dict[str, Any]:
    """Return vLLM's engine arguments for a configuration."""
    arguments: dict[str, Any] = {
        "model": model,
        "dtype": fitting_dtype(config),
        "max_model_len": config.max_model_len,
        "max_num_seqs": config.max_num_seqs,
        "tensor_parallel_size": config.tensor_parallel,
        "trust_remote_code": config.trust_remote_code,
        "seed": seed,
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        # Without it a weak model can write white space until its token limit.
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    if not config.gpus_per_engine:
        arguments["enforce_eager"] = True  # compiling takes longer on a CPU than it saves
        arguments["block_size"] = 32  # by default 128 on CPU: too coarse to share a short system prompt
        # vLLM 0.29 on CPU dies on a request with a seed whose prompt is prefilled in chunks.
        arguments["enable_chunked_prefill"] = False
        arguments["max_num_batched_tokens"] = max(_BATCHED_TOKENS, config.max_model_len)
    return arguments | dict(config.engine_kwargs)


def fitting_dtype(config: LLMConfig) -> str:
    """Return the type that ``llm.dtype`` means here: a CPU without bfloat16 is several times slower in it."""
    if config.dtype != "auto" or config.gpus_per_engine:
        return "bfloat16" if config.dtype == "auto" else config.dtype
    import torch

    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001  no public way
    return "bfloat16" if fast else "float32"


def engine_environment(config: LLMConfig) -> dict[str, str]:
    """Return the environment that an engine's process needs."""
    common = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false"}
    if config.gpus_per_engine:
        return common
    cpu = {"VLLM_CPU_KVCACHE_SPACE": str(config.kv_cache_gib)}
    if config.engines == 1:
        # One engine may use each core; by default vLLM keeps one for others.
        return common | cpu | {"VLLM_CPU_NUM_OF_RESERVED_CPU": "0"}
    return common | cpu | {"VLLM_CPU_OMP_THREADS_BIND": "nobind"}


def sampling_of(config: LLMConfig, seed: int, request: Request) -> SamplingParams:
    """Return vLLM's parameters of one request: its own seed, its answer's schema, the whole answer at once."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    return SamplingParams(
        max_tokens=request.max_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        seed=request_seed(seed, request.id, request.attempt),
        structured_outputs=StructuredOutputsParams(json=request.expected.json_schema()),
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


class VLLMEngine:
    """One vLLM engine.

    Each request samples with a seed of its own, from the run's seed, its id and the attempt: a row's answer
    does not depend on its neighbours, but for rounding, and a retry draws anew.
    """

    def __init__(self, config: LLMConfig, model: str, seed: int) -> None:
        self._config, self._model, self._seed = config, model, seed
        self._tokenizer = ChatTokenizer(model, trust_remote_code=config.trust_remote_code)
        self._engine = self._start()
        self._requests = 0

    def _start(self) -> AsyncLLM:
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        return AsyncLLM.from_engine_args(AsyncEngineArgs(**engine_arguments(self._config, self._model, self._seed)))

    async def generate(self, request: Request) -> Generated:
        """See :class:`~hnlm_ray.llm.engines.base.TextEngine`."""
        from vllm.exceptions import VLLMError
        from vllm.v1.engine.exceptions import EngineDeadError

        prompt = self._tokenizer.encode(request.messages)
        limit = self._config.max_model_len
        if limit - len(prompt) < request.max_tokens:
            error = f"{len(prompt)} prompt and {request.max_tokens} answer tokens exceed llm.max_model_len {limit}"
            return Generated(status="too_long", error=error)
        try:
            return await self._decode(prompt, request)
        except EngineDeadError as error:
            raise EngineDied(str(error)[:200]) from error
        except (ValueError, VLLMError) as error:
            return Generated(tokens_in=len(prompt), status="engine_error", error=clean(str(error))[:200])

    async def _decode(self, prompt: list[int], request: Request) -> Generated:
        self._requests += 1
        final, name = None, f"{request.id}#{self._requests}"
        sampling = sampling_of(self._config, self._seed, request)
        async for output in self._engine.generate({"prompt_token_ids": prompt}, sampling, name):
            final = output
        if final is None:
            return Generated(tokens_in=len(prompt), status="engine_error", error="the engine gave no answer")
        completion = final.outputs[0]
        finished = completion.finish_reason != "length"
        return Generated(completion.text, len(prompt), len(completion.token_ids), finished)

    async def restart(self) -> None:
        """See :class:`~hnlm_ray.llm.engines.base.TextEngine`."""
        self._engine.shutdown()
        self._engine = await asyncio.to_thread(self._start)

    def shutdown(self) -> None:
        """Stop the engine's processes."""
        self._engine.shutdown()


def _open(llm: LLMConfig, seed: int) -> VLLMEngine:
    """Start it; its own errors (of damaged weights: a MemoryError) don't say what to look at."""
    try:
        return VLLMEngine(llm, model_on_this_node(llm.model), seed)
    except HnlmError:
        raise
    except Exception as error:
        raise StageError(
            f"vLLM can't start with llm.model '{llm.model}' ({named(error)}): check the checkpoint's files, llm.dtype, "
            "llm.max_model_len and the memory; the log has vLLM's own words"
        ) from error


def _prompt_tokens(llm: LLMConfig) -> Callable[[Request], int]:
    """Count by the model's own tokenizer and chat template."""
    tokenizer = ChatTokenizer(model_on_this_node(llm.model), trust_remote_code=llm.trust_remote_code)
    return lambda request: len(tokenizer.encode(request.messages))


_CONTENT = ("engine", "dtype", "max_model_len", "temperature", "top_p", "max_attempts", "engine_kwargs")
VLLM_KIND = EngineKind(
    identity=lambda llm: model_identity(llm.model),
    content=lambda llm: settings_of(llm, *_CONTENT),
    check=lambda llm: check_model(llm.model),
    checkpoint=lambda llm: llm.model,
    server=lambda _llm: None,
    environment=engine_environment,
    at_once=lambda llm: llm.max_num_seqs,
    slots=lambda llm: llm.max_num_seqs,
    prompt_tokens=_prompt_tokens,
    open=_open,
    bounds_its_waits=False,
    has_a_model=True,
    may_bill=False,
)
