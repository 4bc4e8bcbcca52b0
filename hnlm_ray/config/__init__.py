"""One pydantic tree for a whole run: the only place where a default lives.

A YAML preset fills it (:mod:`hnlm_ray.config.loading` reads one), ``--set a.b=c`` overrides one value.
Every field says in its description what it does; ``hnlm config schema`` prints them.
"""

from hnlm_ray.config.base import MethodName, ModelName, Section
from hnlm_ray.config.cf import CFConfig
from hnlm_ray.config.finetune import CFTeacherConfig, EmbeddingsConfig, FinetuneConfig, LoraConfig, RecordsConfig
from hnlm_ray.config.llm import EvidenceConfig, LLMConfig, NegativesConfig, ProfileConfig, ScriptedConfig
from hnlm_ray.config.prepare import PrepareConfig, SplitConfig
from hnlm_ray.config.run import Config, RayConfig
from hnlm_ray.config.sources import (
    SOURCE_FORMATS,
    AmazonSource,
    FileFormat,
    InteractionColumns,
    InteractionFile,
    ItemColumns,
    ItemFile,
    MoreItemsFile,
    MovieLensSource,
    SourceBase,
    SplitFilesSource,
    TableSource,
    YelpSource,
)
from hnlm_ray.config.tune import RecommendConfig, TuneConfig

__all__ = [
    "SOURCE_FORMATS",
    "AmazonSource",
    "CFConfig",
    "CFTeacherConfig",
    "Config",
    "EmbeddingsConfig",
    "EvidenceConfig",
    "FileFormat",
    "FinetuneConfig",
    "InteractionColumns",
    "InteractionFile",
    "ItemColumns",
    "ItemFile",
    "LLMConfig",
    "LoraConfig",
    "MethodName",
    "ModelName",
    "MoreItemsFile",
    "MovieLensSource",
    "NegativesConfig",
    "PrepareConfig",
    "ProfileConfig",
    "RayConfig",
    "RecommendConfig",
    "RecordsConfig",
    "ScriptedConfig",
    "Section",
    "SourceBase",
    "SplitConfig",
    "SplitFilesSource",
    "TableSource",
    "TuneConfig",
    "YelpSource",
]
