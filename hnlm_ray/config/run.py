"""A whole run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from hnlm_ray.config.base import Count, Section
from hnlm_ray.config.cf import CFConfig
from hnlm_ray.config.finetune import CFTeacherConfig, EmbeddingsConfig, FinetuneConfig, RecordsConfig
from hnlm_ray.config.llm import EvidenceConfig, LLMConfig, NegativesConfig, ProfileConfig
from hnlm_ray.config.prepare import PrepareConfig
from hnlm_ray.config.sources import Source, TableSource
from hnlm_ray.config.tune import RecommendConfig, TuneConfig


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
    stages: Literal["all", "needed"] = Field(
        "all",
        description="needed: those that tune.methods read something of, up to results; no LLM for classical ones.",
    )
    ray: RayConfig = RayConfig()
    source: Source
    prepare: PrepareConfig = PrepareConfig()
    llm: LLMConfig = LLMConfig()
    profiles: ProfileConfig = ProfileConfig()
    negatives: NegativesConfig = NegativesConfig()
    evidence: EvidenceConfig = EvidenceConfig()
    teacher: CFTeacherConfig = CFTeacherConfig()
    records: RecordsConfig = RecordsConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    embeddings: EmbeddingsConfig = EmbeddingsConfig()
    cf: CFConfig = CFConfig()
    tune: TuneConfig = TuneConfig()
    recommend: RecommendConfig = RecommendConfig()

    @field_validator("workspace")
    @classmethod
    def _workspace_is_a_name(cls, folder: str) -> str:
        if not folder.strip() or any(char < " " for char in folder):
            raise ValueError("name a folder, without control characters")
        return folder

    @field_validator("prepare")
    @classmethod
    def _splits_as_the_source_does(cls, prepare: PrepareConfig, info: ValidationInfo) -> PrepareConfig:
        source = info.data.get("source")
        if not isinstance(source, TableSource):
            return prepare
        method, files = prepare.split.method, source.interactions.test_path is not None
        if method == "given" and not files:
            raise _wrong(
                "prepare", ("split", "method"), method, "source.interactions.test_path, the rows to test, is not set"
            )
        if files and method != "given":
            told = "source.interactions.test_path is a split that is given: choose given, or name all files in `path`"
            raise _wrong("prepare", ("split", "method"), method, told)
        return prepare

    @field_validator("cf")
    @classmethod
    def _keeps_validation_to_choose_by(cls, cf: CFConfig) -> CFConfig:
        if cf.validation == "none":
            told = "trials are chosen on validation, so a run keeps 'split'; 'none' is for a CF training alone"
            raise _wrong("cf", ("validation",), "none", told)
        return cf

    @field_validator("tune")
    @classmethod
    def _default_methods_apply(cls, tune: TuneConfig, info: ValidationInfo) -> TuneConfig:
        if not {"negatives", "finetune", "embeddings"} <= info.data.keys():
            return tune  # one of them is wrong, and that is told
        vectors = _makes_vectors(info.data["finetune"], info.data["embeddings"])
        return tune.fitted(pool=_makes_pool(info.data["negatives"], vectors=vectors), vectors=vectors)

    @property
    def makes_vectors(self) -> bool:
        """Whether some training pairs get a vector."""
        return _makes_vectors(self.finetune, self.embeddings)

    @property
    def makes_pool(self) -> bool:
        """Whether some training pairs get catalogue negatives, from a text or a vector."""
        return _makes_pool(self.negatives, vectors=self.makes_vectors)


def _wrong(section: str, place: tuple[str, ...], value: str, told: str) -> ValidationError:
    """Return the error of a value within a section that another section rules out."""
    error = InitErrorDetails(type=PydanticCustomError("value_error", told), loc=place, input=value)
    return ValidationError.from_exception_data(section, [error])


def _makes_vectors(finetune: FinetuneConfig, embeddings: EmbeddingsConfig) -> bool:
    return finetune.enabled and embeddings.pairs_per_user > 0


def _makes_pool(negatives: NegativesConfig, *, vectors: bool) -> bool:
    return vectors or negatives.pairs_per_user > 0
