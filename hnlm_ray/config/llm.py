"""What is asked of the LLM: its engine and server, profiles, negatives, and what it judges of hard candidates."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from hnlm_ray.config.base import Count, PairChoice, Probability, Section


class EvidenceConfig(Section):
    """Judgements: whom the LLM is asked about, which items it judges, and what it reads."""

    judge: bool = Field(default=False, description="Ask the LLM which hard candidates a user would want.")
    users: Count = Field(1000, description="Most users asked about: those whose candidates are the least certain.")
    candidates: Annotated[int, Field(ge=1, le=20)] = Field(6, description="Items that one prompt lists.")
    hard: Count = Field(
        16, description="Candidates are among the best 1/hard of a user's items without a training row."
    )
    token_budget: Annotated[int, Field(ge=1, lt=2**63)] = Field(
        1_000_000, description="Most tokens of all prompts and answers, estimated before anything is asked."
    )
    prompt: str = Field("contrast.v1", description="A prompt of hnlm_ray/llm/prompts, or a file's path.")
    simple_prompt: str = Field("contrast.simple.v1", description="The same for the last attempt at a user.")
    max_tokens: Annotated[int, Field(ge=16)] = 256
    reason_chars: Annotated[int, Field(ge=10)] = Field(40, description="Most characters of the reason for a verdict.")
    person_chars: Annotated[int, Field(ge=0)] = Field(200, description="Characters of the user's profile in a prompt.")
    history: Count = Field(6, description="Training items of a user that its prompt shows, the latest first.")
    item_chars: Annotated[int, Field(ge=0)] = Field(60, description="Characters of each item's profile in it.")


_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")
_OURS = {"model", "messages", "input", "stream", "n"}
_SET_ELSEWHERE = {"temperature", "top_p", "seed", "max_tokens", "max_completion_tokens", "response_format"}
Seconds = Annotated[float, Field(gt=0, le=86_400)]
PerMinute = Annotated[float, Field(gt=0)]


class HttpServer(Section):
    """A server, and the limits that are kept with it."""

    base_url: str = Field(
        max_length=2000, description="Address before /chat/completions, such as http://127.0.0.1:8000/v1."
    )
    api_key_env: str | None = Field(
        None, description="Name of the environment variable that holds the key, set where engines run; none: no key."
    )
    concurrency: Annotated[int, Field(ge=1, le=4096)] = Field(16, description="Requests of an engine at one time.")
    requests_per_minute: PerMinute | None = Field(None, description="Of all engines together, evenly spaced.")
    tokens_per_minute: PerMinute | None = Field(None, description="Prompt and answer, all engines together.")
    connect_timeout_s: Seconds = Field(10, description="Longest wait for a connection.")
    timeout_s: Seconds = Field(120, description="Longest wait for a whole answer, however slowly it comes.")
    max_response_bytes: Annotated[int, Field(ge=1024, le=2**30)] = Field(
        2**23, description="A longer answer is not read to its end."
    )
    retries: Annotated[int, Field(ge=0, le=20)] = Field(
        5, description="Further tries of a request that was refused for the moment (429, 5xx) or cut."
    )
    max_wait_s: Seconds = Field(60, description="Longest wait before a further try, whatever Retry-After asks for.")
    extra: dict[str, JsonValue] = Field(
        {}, description="Further fields of each request's body; null leaves out a field that is sent otherwise."
    )

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if not (url.isascii() and url.isprintable()) or " " in url:
            raise ValueError("give an address of printable ASCII characters, without blanks")
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("give an address that starts with http:// or https:// and names a host")
        if "@" in parts.netloc:
            raise ValueError("an address holds no credentials: put the key into the variable that api_key_env names")
        if "?" in url or "#" in url:
            raise ValueError("give the address alone, without ? and #")
        _ = parts.port  # a ValueError says what is wrong with it
        if url.rstrip("/").endswith(("/chat/completions", "/embeddings", "/completions")):
            raise ValueError("give the address before /chat/completions and /embeddings")
        return url.rstrip("/")

    @field_validator("api_key_env")
    @classmethod
    def _is_a_variable(cls, name: str | None) -> str | None:
        if name is None or _VARIABLE.fullmatch(name):
            return name
        told = "give the name of an environment variable (capital letters, digits, _), not the key itself"
        error = InitErrorDetails(type=PydanticCustomError("value_error", told), loc=(), input="***")  # may be the key
        raise ValidationError.from_exception_data("api_key_env", [error])

    @field_validator("extra")
    @classmethod
    def _leaves_what_is_set_elsewhere(cls, extra: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if taken := sorted(_OURS & extra.keys()):
            raise ValueError(f"leave out {', '.join(taken)}: they are set by the request itself")
        if taken := sorted(name for name in _SET_ELSEWHERE & extra.keys() if extra[name] is not None):
            raise ValueError(f"{', '.join(taken)} can only be left out here (null): there are settings for them")
        return extra


class HttpConfig(HttpServer):
    """The OpenAI-compatible server that `llm.engine: http` asks."""

    model: str = Field(min_length=1, max_length=500, description="The model's name, as the server knows it.")
    structured: Literal["schema", "plain_schema", "object", "none"] = Field(
        "schema",
        description="How an answer's form is asked for: by JSON schema, by one without lengths (for servers that "
        "refuse minLength and maxLength), as any JSON object, or by the prompt alone.",
    )
    limit_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="The request's field that holds the answer's token limit."
    )


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
