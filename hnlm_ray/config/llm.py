"""The text engine, profiles and negatives in text form."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from hnlm_ray.config.base import Count, PairChoice, Probability, Section
from hnlm_ray.config.http import HttpConfig, HttpServer

Count64 = Annotated[int, Field(ge=1, lt=2**63)]


class PoisonConfig(Section):
    """Shares of rows that fail at every attempt, for tests of what a stage does with them."""

    crash: Probability = Field(0.0, description="The engine dies of the row.")
    kill: Probability = Field(0.0, description="The process around the engine dies of the row.")
    hang: Probability = Field(0.0, description="No answer ever comes.")
    invalid: Probability = Field(0.0, description="The answer is no JSON.")
    empty: Probability = Field(0.0, description="The answer is empty.")
    endless: Probability = Field(0.0, description="The answer has 100,000 tokens.")
    refusal: Probability = Field(0.0, description="The model refuses.")


class ScriptedConfig(Section):
    """What the scripted engine answers: shares of rows that fail on purpose, for tests and dry runs."""

    bad_json: Probability = Field(0.0, description="Share of attempts whose answer is no JSON.")
    none: Probability = Field(0.0, description="Share of attempts in which the model says that it can't tell.")
    engine_error: Probability = Field(0.0, description="Share of attempts that the engine fails.")
    poison: PoisonConfig = PoisonConfig()
    seconds_per_row: Annotated[float, Field(ge=0)] = 0.0


class PriceConfig(Section):
    """What an LLM costs: `hnlm plan` and `llm.budget.max_cost` count with it."""

    input_per_million: Annotated[float, Field(ge=0)] | None = Field(None, description="Price of 10^6 prompt tokens.")
    output_per_million: Annotated[float, Field(ge=0)] | None = Field(None, description="Price of 10^6 answer tokens.")
    gpu_hour: Annotated[float, Field(ge=0)] | None = Field(None, description="Price of one GPU for an hour.")
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="In which the prices are, three letters.")

    def of_tokens(self, tokens_in: int, tokens_out: int) -> float:
        """Return the price of tokens; those without a price are free."""
        return ((self.input_per_million or 0) * tokens_in + (self.output_per_million or 0) * tokens_out) / 1e6


class BudgetConfig(Section):
    """What the LLM stages of a workspace may spend together; at the limit a stage stops, and can go on later."""

    max_tokens: Count64 | None = Field(None, description="Tokens read and written, all LLM stages together.")
    max_cost: Annotated[float, Field(gt=0)] | None = Field(None, description="Price of these tokens by llm.prices.")


class LLMConfig(Section):
    """The engine that writes profiles and negatives, and the encoder that grounds them."""

    engine: Literal["vllm", "http", "scripted"] = Field(
        "vllm", description="http: a server elsewhere, see llm.http; scripted: no model, for dry runs."
    )
    model: str = Field("embedded", description="'embedded' (SmolLM2-135M-Instruct), a checkpoint folder or a hub id.")
    encoder: str = Field(
        "embedded",
        description="'embedded' (all-MiniLM-L6-v2), a folder, a hub id, 'http:MODEL' (a server's embeddings), or "
        "'trigrams' (no model).",
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
    max_attempts: Annotated[int, Field(ge=1, le=10)] = Field(
        3, description="Draws for a row without a usable answer; the last of several is asked in a simpler way."
    )
    repair_json: bool = Field(
        default=False, description="Mend answers that are almost JSON (json-repair); they are marked and counted apart."
    )
    row_timeout_s: Annotated[float, Field(gt=0)] = Field(300, description="Longest wait for the answer of one draw.")
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
    budget: BudgetConfig = BudgetConfig()
    prices: PriceConfig = PriceConfig()
    http: HttpConfig | None = Field(None, description="The server that `llm.engine: http` asks.")
    encoder_http: HttpServer | None = Field(
        None, description="The server of an encoder 'http:MODEL'; none: that of llm.http, without its extra fields."
    )
    scripted: ScriptedConfig = ScriptedConfig()

    @field_validator("http")
    @classmethod
    def _names_the_server_of_the_engine(cls, http: HttpConfig | None, info: ValidationInfo) -> HttpConfig | None:
        if http is None and info.data.get("engine") == info.field_name:
            raise ValueError(f"llm.engine is {info.field_name}: give base_url and model here")
        return http

    @field_validator("encoder_http")
    @classmethod
    def _names_the_server_of_the_encoder(cls, server: HttpServer | None, info: ValidationInfo) -> HttpServer | None:
        asked = str(info.data.get("encoder", "")).startswith("http:")
        if asked and server is None and info.data.get("http", server) is None and "http" in info.data:
            raise ValueError("llm.encoder asks a server: give base_url here, or in llm.http")
        return server

    @model_validator(mode="after")
    def _cost_has_prices(self) -> Self:
        prices = self.prices
        if self.budget.max_cost is not None and prices.input_per_million is None and prices.output_per_million is None:
            raise ValueError(
                "budget.max_cost needs prices: set llm.prices.input_per_million and llm.prices.output_per_million"
            )
        return self

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
    item_simple_prompt: str = Field("item_profile.simple.v1", description="The same for the last attempt at an item.")
    user_simple_prompt: str = Field("user_profile.simple.v1", description="The same for the last attempt at a user.")
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
    simple_prompt: str = Field("semantic_negative.simple.v1", description="The same for the last attempt at a pair.")
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
    nearest_cosine: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.3, description="Least cosine for 'nearest', of vectors less the mean of the catalogue's."
    )
    nearest_weight: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="Weight of an item found by its vector is this times the cosine; that of a title's is 1."
    )
