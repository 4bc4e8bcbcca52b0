"""vLLM behind the engine interface: asynchronous, so that many rows are decoded together."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.answers import AnswerFormat
from hnlm_ray.llm.engine import Generated, Request

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

log = logging.getLogger(__name__)
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


def request_seed(seed: int, request: str, attempt: int) -> int:
    """Return the seed of one draw, below 2^31."""
    return zlib.crc32(f"{seed}|{request}|{attempt}".encode()) & 0x7FFFFFFF


def defused(text: str, special: Sequence[str]) -> str:
    """Break up what the tokenizer would read as its own control tokens: a title can't end a message."""
    for token in special:
        if token.strip() and len(token) > 1:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


class VLLMEngine:
    """One vLLM engine. When it dies it is started again, and the requests it lost are errors to retry.

    Each request samples with a seed of its own, from the run's seed, its id and the attempt: a row's answer
    does not depend on its neighbours, but for rounding, and a retry draws anew.
    """

    def __init__(self, config: LLMConfig, model: str, seed: int) -> None:
        from transformers import AutoTokenizer

        self._config, self._model, self._seed = config, model, seed
        self._tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=config.trust_remote_code)
        self._special = sorted(self._tokenizer.get_added_vocab(), key=len, reverse=True)
        self._engine = self._start()
        self._restarting = asyncio.Lock()
        self._suspects: set[str] = set()
        self._one_suspect = asyncio.Lock()
        self._requests = 0

    def _start(self) -> AsyncLLM:
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        return AsyncLLM.from_engine_args(AsyncEngineArgs(**engine_arguments(self._config, self._model, self._seed)))

    async def generate(self, request: Request, expected: AnswerFormat, attempt: int) -> Generated:
        """See :class:`~hnlm_ray.llm.engine.TextEngine`."""
        prompt = self._prompt_tokens(request)
        room = self._config.max_model_len - len(prompt)
        if room < request.max_tokens:
            limit = self._config.max_model_len
            error = f"{len(prompt)} prompt and {request.max_tokens} answer tokens exceed llm.max_model_len {limit}"
            return Generated(tokens_in=len(prompt), status="too_long", error=error)
        sampling = self._sampling(request, expected, attempt)
        if request.id not in self._suspects:
            return await self._attempt(request, prompt, sampling)
        async with self._one_suspect:
            return await self._attempt(request, prompt, sampling)

    async def _attempt(self, request: Request, prompt: list[int], sampling: SamplingParams) -> Generated:
        """Decode once; a request that was in flight when the engine died becomes a suspect.

        Further attempts of suspects go one at a time: a row which kills engines takes few others along.
        """
        from vllm.exceptions import VLLMError
        from vllm.v1.engine.exceptions import EngineDeadError

        engine = self._engine
        try:
            return await self._decode(engine, prompt, request, sampling)
        except EngineDeadError as error:
            log.warning("the engine died with request %s in flight", request.id)
            self._suspects.add(request.id)
            await self._restart(engine)
            return Generated(tokens_in=len(prompt), status="engine_error", error=f"the engine died: {error}"[:200])
        except (ValueError, VLLMError) as error:
            return Generated(tokens_in=len(prompt), status="engine_error", error=str(error)[:200])

    def _prompt_tokens(self, request: Request) -> list[int]:
        messages = [{**message, "content": defused(message["content"], self._special)} for message in request.messages]
        text = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return tokens

    def _sampling(self, request: Request, expected: AnswerFormat, attempt: int) -> SamplingParams:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        return SamplingParams(
            max_tokens=request.max_tokens,
            temperature=self._config.temperature,
            top_p=self._config.top_p,
            seed=request_seed(self._seed, request.id, attempt),
            structured_outputs=StructuredOutputsParams(json=expected.json_schema()),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    async def _decode(
        self, engine: AsyncLLM, prompt: list[int], request: Request, sampling: SamplingParams
    ) -> Generated:
        self._requests += 1
        final = None
        async for output in engine.generate({"prompt_token_ids": prompt}, sampling, f"{request.id}#{self._requests}"):
            final = output
        if final is None:
            return Generated(tokens_in=len(prompt), status="engine_error", error="the engine gave no answer")
        completion = final.outputs[0]
        finished = completion.finish_reason != "length"
        return Generated(completion.text, len(prompt), len(completion.token_ids), finished)

    async def _restart(self, dead: AsyncLLM) -> None:
        async with self._restarting:
            if self._engine is dead:
                dead.shutdown()
                self._engine = await asyncio.to_thread(self._start)

    def shutdown(self) -> None:
        """Stop the engine's processes."""
        self._engine.shutdown()
