"""One pydantic tree for a whole run: the only place where a default lives.

A YAML preset fills it (:mod:`hnlm_ray.config_file` reads one), ``--set a.b=c`` overrides one value.
Every field says in its description what it does; ``hnlm config schema`` prints them.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
MetricName = Annotated[str, Field(pattern=r"^(recall|ndcg|precision|hit_rate|mrr)@[1-9][0-9]*$")]
MethodName = Literal["rns", "pns", "dns", "pool", "pool_alpha0", "pool_random", "pool_shuffled"]
ModelName = Literal["mf", "lightgcn"]


class Section(BaseModel):
    """A part of the tree: unknown keys are errors, values don't change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


# ---------------------------------------------------------------- sources


class FileFormat(Section):
    """How one delimited, JSON-lines or Parquet file is written."""

    path: str = Field(description="File, or a glob of files, local or s3:// gs://.")
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet"] = Field(
        "auto", description="Taken from the file's name when 'auto'."
    )
    separator: str | None = Field(None, min_length=1, max_length=4, description="CSV only; one or more characters.")
    encoding: str = Field("utf-8", description="Text encoding, as Python names it.")
    compression: Literal["auto", "none", "gzip", "bz2", "xz", "zip"] = Field("auto")
    member: str | None = Field(None, description="Zip only: the file inside, where the archive holds several.")
    header: bool = Field(default=True, description="False: columns are called as in names, or '0', '1', ...")
    names: tuple[str, ...] = Field((), description="Names of all columns of a file without a header.")
    quoting: bool = Field(default=True, description='CSV only; False: a " is an ordinary character.')


class InteractionColumns(Section):
    """Which column of the file holds what; rating and timestamp are optional (event logs)."""

    user: str = "user_id"
    item: str = "item_id"
    rating: str | None = None
    timestamp: str | None = Field(None, description="Seconds or milliseconds since 1970, or a date text.")


class ItemColumns(Section):
    """Which columns of the item file describe an item."""

    item: str = "item_id"
    title: str | None = "title"
    attributes: tuple[str, ...] = Field((), description="Short facts (genre, brand, year, ...), shown as JSON.")
    text: tuple[str, ...] = Field((), description="Longer texts (description, synopsis), joined and cut.")


class InteractionFile(FileFormat):
    """The file of interactions."""

    columns: InteractionColumns = InteractionColumns()
    time_format: str | None = Field(None, description="strptime format of a textual timestamp; ISO 8601 when absent.")


class ItemFile(FileFormat):
    """The file of items."""

    columns: ItemColumns = ItemColumns()


class SourceBase(Section):
    """What every source has."""

    max_bad_share: Probability = Field(0.01, description="Share of unreadable lines above which the stage stops.")


class MovieLensSource(SourceBase):
    """MovieLens 100K: the publisher's files (u.data, u.item) or RecBole's atomic files (.inter, .item)."""

    format: Literal["movielens_100k"]
    path: str = Field("embedded", description="Folder with the files; 'embedded' takes the recbole wheel's copy.")


class SplitFilesSource(SourceBase):
    """NGCF / LightGCN split files: 'user item item ...' a line, given train and test."""

    format: Literal["ngcf"]
    path: str = Field(description="Folder with train.txt and test.txt.")
    items: ItemFile | None = Field(None, description="Titles and attributes of the items, by the ids of the split.")


class TableSource(SourceBase):
    """Any CSV, TSV, JSON-lines or Parquet file, through a column mapping."""

    format: Literal["table"]
    interactions: InteractionFile
    items: ItemFile | None = None


Source = Annotated[MovieLensSource | SplitFilesSource | TableSource, Field(discriminator="format")]


# ---------------------------------------------------------------- prepare


class SplitConfig(Section):
    """Which positives train, which select (validation), which are read once (test)."""

    method: Literal["random", "leave_last_out", "given"] = Field(
        "random", description="random: shares of each user; leave_last_out: the last by time; given: the source's."
    )
    validation: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="Share of a user's positives (given: carved out of train); 0 = none."
    )
    test: Annotated[float, Field(ge=0, lt=1)] = Field(0.2, description="Share of a user's positives; random only.")

    @model_validator(mode="after")
    def _shares_leave_training_rows(self) -> SplitConfig:
        if self.method == "random" and self.validation + self.test >= 1:
            raise ValueError("validation + test must stay below 1, or nothing is left to train on")
        return self


class PrepareConfig(Section):
    """What counts as a positive, and which users and items stay."""

    min_rating: float | None = Field(None, description="Positives have at least this rating; none: every row is one.")
    since: date | None = Field(None, description="First day kept (UTC), inclusive.")
    until: date | None = Field(None, description="Last day kept (UTC), exclusive.")
    user_core: Annotated[int, Field(ge=1)] = Field(5, description="Positives a user must have (k-core).")
    item_core: Annotated[int, Field(ge=1)] = Field(5, description="Positives an item must have (k-core).")
    max_users: Count | None = Field(None, description="Keep a seeded sample of this many users (before the k-core).")
    split: SplitConfig = SplitConfig()
    buckets: Annotated[int, Field(ge=1, le=65536)] = Field(8, description="Partitions by user: files of a table.")


# ---------------------------------------------------------------- LLM


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
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "bfloat16"
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
    user_history: Count = Field(8, description="Training items of a user that its prompt shows, the latest first.")
    user_item_chars: Annotated[int, Field(ge=0)] = Field(80, description="Characters of each item's profile in it.")


class NegativesConfig(Section):
    """Semantic negatives: which pairs get one, how a name becomes a catalogue item."""

    prompt: str = Field("semantic_negative.v1", description="A prompt of hnlm_ray/llm/prompts, or a file's path.")
    pairs_per_user: Annotated[int, Field(ge=0)] = Field(3, description="Training pairs of a user that get a negative.")
    max_tokens: Annotated[int, Field(ge=16)] = 128
    name_chars: Annotated[int, Field(ge=10)] = Field(80, description="Most characters of the name it answers.")
    reasoning_chars: Annotated[int, Field(ge=20)] = Field(120, description="Most characters of its reasoning.")
    profile_chars: Annotated[int, Field(ge=0)] = Field(300, description="Characters of each profile in its prompt.")
    pool_size: Count = Field(4, description="Grounded negatives kept for a pair.")
    fuzzy_score: Annotated[float, Field(ge=0, le=100)] = Field(88, description="Least title similarity (0-100).")
    borrow: bool = Field(default=True, description="Pairs without a negative take those of the user's nearest pair.")
    nearest_cosine: Annotated[float, Field(ge=-1, le=1)] = Field(0.3, description="Least cosine for 'nearest'.")


# ---------------------------------------------------------------- CF and Tune


class CFConfig(Section):
    """One CF training: model, sampler, loss, optimiser, stopping."""

    model: ModelName = Field("lightgcn", description="Of a training alone; in a pipeline tune.models chooses.")
    sampler: Literal["rns", "pns", "dns", "pool"] = Field(
        "rns", description="Of a training alone; in a pipeline tune.methods chooses."
    )
    loss: Literal["bpr"] = "bpr"
    dim: Count = Field(64, description="Length d of an embedding.")
    layers: Annotated[int, Field(ge=0, le=8)] = Field(2, description="Propagation layers of LightGCN.")
    lr: Annotated[float, Field(gt=0)] = 1e-3
    reg: Annotated[float, Field(ge=0)] = Field(1e-4, description="L2 weight on the embeddings of a batch.")
    batch_size: Count = 2048
    epochs: Annotated[int, Field(ge=0)] = Field(100, description="Most epochs of a training.")
    patience: Count = Field(10, description="Evaluations without improvement before it stops.")
    eval_every: Count = Field(1, description="Epochs between evaluations on validation.")
    validation: Literal["split", "none"] = Field(
        "split", description="none: train on validation rows as well, for exactly `epochs` epochs."
    )
    popularity_power: Annotated[float, Field(ge=0)] = Field(0.75, description="PNS: p(j) ~ popularity^power.")
    candidates: Count = Field(8, description="DNS: M, the candidates of which the hardest is taken.")
    alpha: Probability = Field(0.3, description="pool: e~ = alpha e_pool + (1 - alpha) e_sampled.")
    base_sampler: Literal["rns", "pns", "dns"] = Field("rns", description="pool: sampler of e_sampled.")


class TuneConfig(Section):
    """The comparison: methods with equal budgets, choice on validation, test read once."""

    methods: Annotated[tuple[MethodName, ...], Field(min_length=1)] = (
        *("rns", "pns", "dns"),
        *("pool", "pool_alpha0", "pool_random", "pool_shuffled"),
    )
    models: Annotated[tuple[ModelName, ...], Field(min_length=1)] = ("lightgcn",)
    trials: Count = Field(8, description="Trials of every method; the first is its published setting.")
    seeds: Annotated[int, Field(ge=2)] = Field(3, description="Refits of each winner, each with its own seed.")
    cutoffs: Annotated[tuple[Count, ...], Field(min_length=1)] = (10, 20)
    metric: MetricName = Field("ndcg@20", description="Chosen and compared by this metric.")
    concurrent: Count = Field(2, description="Trials at the same time.")
    cpus_per_trial: Annotated[float, Field(gt=0)] = 1
    gpus_per_trial: Annotated[float, Field(ge=0)] = 0

    @field_validator("methods", "models", "cutoffs")
    @classmethod
    def _names_each_once(cls, values: tuple[str | int, ...]) -> tuple[str | int, ...]:
        if repeated := sorted({str(value) for value in values if values.count(value) > 1}):
            raise ValueError(f"name {', '.join(repeated)} once")
        return values

    @field_validator("methods")
    @classmethod
    def _holds_a_classical_method(cls, methods: tuple[MethodName, ...]) -> tuple[MethodName, ...]:
        if not {"rns", "pns", "dns"} & set(methods):
            raise ValueError("it needs a classical one (rns, pns or dns) to compare with")
        return methods

    @field_validator("metric")
    @classmethod
    def _is_measured(cls, metric: str, info: ValidationInfo) -> str:
        cutoffs = info.data.get("cutoffs")
        if cutoffs is not None and int(metric.split("@")[1]) not in cutoffs:
            raise ValueError(f"it needs its cut-off in tune.cutoffs {list(cutoffs)}")
        return metric


# ---------------------------------------------------------------- the run


class RayConfig(Section):
    """The Ray to use."""

    address: str = Field("local", description="'local' starts one here; 'auto' or host:port joins a running cluster.")
    cpus: Count | None = Field(None, description="Logical CPUs of a local Ray; default max(8, cores).")
    object_store_mib: Annotated[int, Field(ge=80)] = Field(512, description="Object store of a local Ray.")
    wait_for_nodes_s: Annotated[float, Field(ge=0)] = Field(
        0, description="Joining: seconds that an autoscaler gets to add the nodes a stage needs."
    )


class Config(Section):
    """A whole run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Names the run in its results.")
    workspace: str = Field(description="Folder of the run: a local path, s3://bucket/path or gs://bucket/path.")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    ray: RayConfig = RayConfig()
    source: Source
    prepare: PrepareConfig = PrepareConfig()
    llm: LLMConfig = LLMConfig()
    profiles: ProfileConfig = ProfileConfig()
    negatives: NegativesConfig = NegativesConfig()
    cf: CFConfig = CFConfig()
    tune: TuneConfig = TuneConfig()

    @field_validator("workspace")
    @classmethod
    def _workspace_is_a_name(cls, folder: str) -> str:
        if not folder.strip() or any(char < " " for char in folder):
            raise ValueError("name a folder, without control characters")
        return folder

    @field_validator("cf")
    @classmethod
    def _keeps_validation_to_choose_by(cls, cf: CFConfig) -> CFConfig:
        if cf.validation == "none":
            told = "trials are chosen on validation, so a run keeps 'split'; 'none' is for a CF training alone"
            error = InitErrorDetails(type=PydanticCustomError("value_error", told), loc=("validation",), input="none")
            raise ValidationError.from_exception_data("cf", [error])
        return cf
