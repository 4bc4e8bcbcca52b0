"""The text engine, profiles and negatives in text form."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from hnlm_ray.config.base import Count, PairChoice, Probability, Section


class ScriptedConfig(Section):
    """What the scripted engine answers: shares of rows that fail on purpose, for tests and dry runs."""

    bad_json: Probability = 0.0
    none: Probability = 0.0
    engine_error: Probability = 0.0
    seconds_per_row: Annotated[float, Field(ge=0)] = 0.0


class LLMConfig(Section):
    """The engine that writes profiles and negatives, and the encoder that grounds them."""

    engine: Literal["vllm", "scripted"] = "vllm"
    model: str = Field("embedded", description="'embedded' (SmolLM2-135M-Instruct), a checkpoint folder or a hub id.")
    encoder: str = Field(
        "embedded", description="'embedded' (all-MiniLM-L6-v2), a folder, a hub id, or 'trigrams' (no model)."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: bfloat16 where the processor computes in it, else float32, which is faster there."
    )
    max_model_len: Annotated[int, Field(ge=128)] = Field(1024, description="Tokens of prompt and answer together.")
    max_num_seqs: Count = Field(64, description="Prompts an engine decodes at the same time.")
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Below 1 each token sorts the vocabulary: slow on CPU."
    )
    max_failed_share: Probability = Field(0.5, description="Share of failed rows above which a stage fails.")
    max_attempts: Annotated[int, Field(ge=1, le=10)] = Field(3, description="Draws for a row whose answer is invalid.")
    engines: Count = Field(1, description="Engine replicas.")
    cpus_per_engine: Annotated[float, Field(gt=0)] = Field(2, description="Ray CPUs reserved for one engine.")
    gpus_per_engine: Annotated[int, Field(ge=0)] = 0
    tensor_parallel: Count = 1
    kv_cache_gib: Annotated[int, Field(ge=1)] = Field(1, description="CPU engines: memory for keys and values.")
    batch_rows: Count = Field(32, description="Rows written together: the grain of resuming.")
    trust_remote_code: bool = Field(default=False, description="Run code that a model folder brings along.")
    engine_kwargs: dict[str, bool | int | float | str] = Field({}, description="Further arguments of vLLM's engine.")
    start_timeout_s: Annotated[float, Field(gt=0)] = Field(
        600, description="Give up when no chunk of rows was finished for so long: at the start, or later."
    )
    scripted: ScriptedConfig = ScriptedConfig()

    @field_validator("tensor_parallel")
    @classmethod
    def _uses_the_gpus_of_an_engine(cls, shards: int, info: ValidationInfo) -> int:
        gpus = info.data.get("gpus_per_engine", 0)
        if gpus and shards != gpus:
            raise ValueError(f"with gpus_per_engine {gpus} it must be {gpus} too: an engine uses all its GPUs")
        return shards


class ProfileConfig(Section):
    """Prompts and budgets of item and user profiles."""

    item_prompt: str = Field("item_profile.v1", description="A prompt of hnlm_ray/llm/prompts, or a file's path.")
    user_prompt: str = Field("user_profile.v1", description="A prompt of hnlm_ray/llm/prompts, or a file's path.")
    item_max_tokens: Annotated[int, Field(ge=16)] = 256
    user_max_tokens: Annotated[int, Field(ge=16)] = 256
    summary_chars: Annotated[int, Field(ge=40)] = Field(600, description="Most characters of a profile's summary.")
    reasoning_chars: Annotated[int, Field(ge=20)] = Field(200, description="Most characters of its reasoning.")
    item_text_chars: Annotated[int, Field(ge=0)] = Field(400, description="Characters of an item's text in its prompt.")
    item_reviews: Annotated[int, Field(ge=0)] = Field(2, description="Training users' reviews in its prompt.")
    review_chars: Annotated[int, Field(ge=0)] = Field(160, description="Characters of a review in a prompt; 0: none.")
    user_history: Count = Field(8, description="Training items of a user that its prompt shows, the latest first.")
    user_item_chars: Annotated[int, Field(ge=0)] = Field(80, description="Characters of each item's profile in it.")


class NegativesConfig(Section):
    """Semantic negatives: which pairs get one, how a name becomes a catalogue item."""

    prompt: str = Field("semantic_negative.v1", description="A prompt of hnlm_ray/llm/prompts, or a file's path.")
    pairs_per_user: Annotated[int, Field(ge=0)] = Field(3, description="Training pairs of a user that get a negative.")
    choose: PairChoice = Field(
        "informative", description="Which pairs: of rare items unlike each other first, or drawn at random by `seed`."
    )
    max_tokens: Annotated[int, Field(ge=16)] = 128
    name_chars: Annotated[int, Field(ge=10)] = Field(80, description="Most characters of the name it answers.")
    reasoning_chars: Annotated[int, Field(ge=20)] = Field(120, description="Most characters of its reasoning.")
    profile_chars: Annotated[int, Field(ge=0)] = Field(300, description="Characters of each profile in its prompt.")
    pool_size: Count = Field(4, description="Grounded negatives kept for a pair.")
    fuzzy_score: Annotated[float, Field(ge=0, le=100)] = Field(88, description="Least title similarity (0-100).")
    borrow: bool = Field(default=True, description="Pairs without a negative take those of the user's nearest pair.")
    nearest_cosine: Annotated[float, Field(ge=-1, le=1)] = Field(0.3, description="Least cosine for 'nearest'.")
