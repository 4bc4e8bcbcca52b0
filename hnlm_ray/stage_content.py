"""What each stage's output is made from, beside its input tables: the values behind its fingerprint.

What is not here (concurrency, batch sizes, chunk sizes) can change without redoing work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hnlm_ray.config import CFConfig, Config, FinetuneConfig, LLMConfig
from hnlm_ray.finetune.query import load_query
from hnlm_ray.llm.job import llm_identity
from hnlm_ray.llm.models import base_model, encoder_identity, model_identity
from hnlm_ray.llm.prompts import load_prompt
from hnlm_ray.tune.methods import reads_facts, reads_text, spaces_content
from hnlm_ray.tune.outside import compared_classes, trained_classes

_LLM_CONTENT = ("engine", "dtype", "max_model_len", "temperature", "top_p", "max_attempts", "engine_kwargs")
_HTTP_LLM_CONTENT = ("engine", "temperature", "top_p", "max_attempts")
_HTTP_CONTENT = ("model", "structured", "extra")  # a server that moves elsewhere is the same server
_TUNE_CONTENT = ("methods", "models", "search", "searches", "trials", "cpu_seconds", "stopping", "metric", "cutoffs")
_JUDGEMENT_PROMPT = ("max_tokens", "person_chars", "history", "item_chars")
_FINETUNE_OPERATION = {
    *("enabled", "cpus_per_worker", "gpus_per_worker", "offload", "gradient_checkpointing"),
    *("checkpoint_every", "max_failures"),
}


def _section(config: Config, section: str, *keys: str) -> dict[str, Any]:
    values = getattr(config, section).model_dump(mode="json")
    return {section: {key: values[key] for key in keys} if keys else values}


def _llm(config: Config, prompts: tuple[str, str], section: str, *keys: str) -> dict[str, Any]:
    llm = {"llm": {**_engine(config.llm), "model": llm_identity(config.llm)}}
    versions = dict(zip(("prompt", "simple_prompt"), (load_prompt(name).version for name in prompts), strict=True))
    return {**llm, **_section(config, section, *keys), **versions, "seed": config.seed}


def _engine(llm: LLMConfig) -> dict[str, Any]:
    values = llm.model_dump(mode="json")
    if llm.engine == "http":
        server = {key: values["http"][key] for key in _HTTP_CONTENT}
        return {**{key: values[key] for key in _HTTP_LLM_CONTENT}, "http": server}
    scripted = ("scripted",) if llm.engine == "scripted" else ()
    return {key: values[key] for key in (*_LLM_CONTENT, *scripted)}


def ingest(config: Config) -> Mapping[str, object]:
    """Return the content of the files, and how they are read."""
    from hnlm_ray.sources.ingest import source_identity

    return source_identity(config)


def prepare(config: Config) -> Mapping[str, object]:
    """Return what counts as a positive, and the split."""
    values = _section(config, "prepare")
    if config.prepare.split.train_share == 1:  # nothing is left out, as before there was this setting
        del values["prepare"]["split"]["train_share"]
    return {**values, "seed": config.seed}


def item_profiles(config: Config) -> Mapping[str, object]:
    """Return model, prompt and budgets of item profiles."""
    keys = ("item_max_tokens", "summary_chars", "reasoning_chars", "item_text_chars", "item_reviews", "review_chars")
    profiles = config.profiles
    return _llm(config, (profiles.item_prompt, profiles.item_simple_prompt), "profiles", *keys)


def user_profiles(config: Config) -> Mapping[str, object]:
    """Return model, prompt and budgets of user profiles."""
    keys = ("user_max_tokens", "summary_chars", "reasoning_chars", "user_history", "user_item_chars", "review_chars")
    profiles = config.profiles
    return _llm(config, (profiles.user_prompt, profiles.user_simple_prompt), "profiles", *keys)


def semantic_negatives(config: Config) -> Mapping[str, object]:
    """Return model, prompt, budgets and the choice of pairs."""
    keys = ("pairs_per_user", "choose", "max_tokens", "name_chars", "reasoning_chars", "profile_chars")
    negatives = config.negatives
    return _llm(config, (negatives.prompt, negatives.simple_prompt), "negatives", *keys)


def candidates(config: Config) -> Mapping[str, object]:
    """Return how many are chosen, and what shapes the prompts by whose estimated length the budget is kept."""
    sizes = ("users", "candidates", "hard", "token_budget")
    evidence = _section(config, "evidence", *sizes, *_JUDGEMENT_PROMPT)
    text = {"encoder": encoder_identity(config.llm.encoder), "item_text": config.tune.item_text}
    return {**evidence, "prompt": load_prompt(config.evidence.prompt).version, **text, "seed": config.seed}


def judgements(config: Config) -> Mapping[str, object]:
    """Return model, prompt and budgets of judgements."""
    evidence = config.evidence
    return _llm(config, (evidence.prompt, evidence.simple_prompt), "evidence", *_JUDGEMENT_PROMPT, "reason_chars")


def teacher(config: Config) -> Mapping[str, object]:
    """Return the teacher's training, or the content of one's own embeddings; and what is mined with it."""
    values = _section(config, "teacher")["teacher"]
    trained = _as_before(values.pop("cf"))
    path = values.pop("embeddings")
    if path is None:
        return {"teacher": {**values, "cf": trained}, **trained_classes(config.teacher.cf), "seed": config.seed}
    from hnlm_ray.teacher.own import own_identity

    return {"teacher": {**values, "embeddings": own_identity(path)}, "seed": config.seed}


def _as_before(trained: dict[str, Any]) -> dict[str, Any]:
    """Return a training's settings without those that say what was so before there was a setting for it.

    All that the LLM wrote after a teacher of before stays fresh where the configuration names that teacher's start.
    """
    found = {name: dict(value) if isinstance(value, dict) else value for name, value in trained.items()}
    if (found["init"], found["init_std"]) == ("normal", 0.1):
        del found["init"], found["init_std"]
    if found["adam"] == CFConfig().adam.model_dump(mode="json"):
        del found["adam"]
    if found["ials"]["init_std"] == 0.1:
        del found["ials"]["init_std"]
    if found["teacher"]["llm_profile"] == 0:
        del found["teacher"]["llm_profile"]
    del found["softmax"]["magnitude"]  # of what ranks; a teacher gives its embeddings as they are
    return found


def records(config: Config) -> Mapping[str, object]:
    """Return which records are drawn."""
    return {**_section(config, "records"), "seed": config.seed}


def finetune(config: Config) -> Mapping[str, object]:
    """Return everything that shapes the trained weights."""
    content = [name for name in FinetuneConfig.model_fields if name not in _FINETUNE_OPERATION]
    model = {"model": model_identity(base_model(config)), "query": load_query(config.finetune.query).version}
    settings = {**_section(config, "finetune", *content)["finetune"], **model}
    return {"finetune": settings, "seed": config.seed}


def finetune_eval(config: Config) -> Mapping[str, object]:
    """Return what the comparison is made with."""
    return {"encoder": encoder_identity(config.llm.encoder), "seed": config.seed}


def embeddings(config: Config) -> Mapping[str, object]:
    """Return which pairs are embedded, how exactly, and what is said of them."""
    texts = _section(config, "records", "user_chars", "item_chars")
    return {**_section(config, "embeddings"), **_section(config, "llm", "engine_kwargs"), **texts, "seed": config.seed}


def negative_pool(config: Config) -> Mapping[str, object]:
    """Return how negatives are grounded."""
    keys = ("pool_size", "fuzzy_score", "nearest_cosine", "nearest_weight", "borrow")
    return {**_section(config, "negatives", *keys), "encoder": encoder_identity(config.llm.encoder)}


def trials(config: Config) -> Mapping[str, object]:
    """Return every value that a training reads."""
    # tune.models and tune.methods decide over cf.model and cf.sampler
    keys = [key for key in CFConfig.model_fields if key not in {"model", "sampler"}]
    tune = (
        *_TUNE_CONTENT,
        *(("startup_trials",) if config.tune.search == "tpe" else ()),
        *(("grace_epochs",) if config.tune.stopping != "none" else ()),
    )
    searched = {**_section(config, "cf", *keys), **_section(config, "tune", *tune)}
    own = compared_classes(config.tune)
    return {**searched, "spaces": spaces_content(config.tune), **own, **_item_text(config), "seed": config.seed}


def results(config: Config) -> Mapping[str, object]:
    """Return seeds, what is measured, and what the items' texts are read with."""
    return {**_section(config, "tune", "seeds", "metric", "cutoffs"), **_item_text(config), "seed": config.seed}


def final_model(config: Config) -> Mapping[str, object]:
    """Return what the model is trained on, and what it is chosen by."""
    return {
        **_section(config, "recommend", "train_on"),
        **_section(config, "tune", "metric"),
        **_item_text(config),
        "seed": config.seed,
    }


def recommendations(config: Config) -> Mapping[str, object]:
    """Return how long a list is, and what counts as seen."""
    return _section(config, "recommend", "k", "train_on")


def _item_text(config: Config) -> dict[str, object]:
    if not reads_text(config.tune) and not reads_facts(config.tune):
        return {}
    return {"encoder": encoder_identity(config.llm.encoder), "item_text": config.tune.item_text}
