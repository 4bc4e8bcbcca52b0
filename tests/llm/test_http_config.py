"""The settings of a server: what is refused, and that no message shows a key."""

import json
import re

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from hnlm_ray.base.errors import ConfigError
from hnlm_ray.base.text import redacted
from hnlm_ray.base.yaml_text import parse_yaml
from hnlm_ray.cli import app
from hnlm_ray.config import Config, LLMConfig
from hnlm_ray.config.llm import HttpConfig
from hnlm_ray.config.loading import load_config
from hnlm_ray.pipeline.status import find_stage


def test_two_lines_name_a_server():
    llm = LLMConfig.model_validate({"engine": "http", "http": {"base_url": "https://a.example/v1/", "model": "m"}})
    assert (llm.http.base_url, llm.http.structured, llm.http.api_key_env) == ("https://a.example/v1", "schema", None)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://host/v1", "http://"),
        ("host:8000/v1", "http://"),
        ("https://", "http://"),
        ("http://user:secret@host/v1", "credentials"),
        ("http://secret@host/v1", "credentials"),
        ("http://host/v1?api-version=1", "without ?"),
        ("http://host:99999/v1", "ort"),
        ("http://[::1/v1", "IPv6"),
        ("http://ho st/v1", "blanks"),
        ("http://host/v1\r\nX: y", "printable"),
        ("http://host/v1/chat/completions", "before /chat/completions"),
    ],
)
def test_an_address_is_a_plain_one(url, told):
    with pytest.raises(ValidationError, match=told):
        HttpConfig(base_url=url, model="m")


def test_a_key_in_place_of_its_variable_is_refused_and_not_shown(config_file):
    for key in ("sk-abc123def", "abc123def456"):
        with pytest.raises(ConfigError) as caught:
            load_config(
                str(config_file),
                ["llm.http.base_url=http://h", "llm.http.model=m", f"llm.http.api_key_env={key}"],
            )
        assert key not in str(caught.value)
        assert "name of an environment variable" in str(caught.value)


def test_a_password_in_an_address_is_not_shown(config_file):
    with pytest.raises(ConfigError) as caught:
        load_config(str(config_file), ["llm.http.base_url=http://me:hunter2@h/v1", "llm.http.model=m"])
    assert "hunter2" not in redacted(str(caught.value))


@pytest.mark.parametrize("extra", [{"stream": True}, {"messages": []}, {"temperature": 1}, {"seed": 3}])
def test_further_fields_do_not_replace_what_has_its_own_setting(extra):
    with pytest.raises(ValidationError, match=next(iter(extra))):
        HttpConfig(base_url="http://h", model="m", extra=extra)


def test_an_engine_or_encoder_without_a_server_is_told():
    with pytest.raises(ValidationError, match=r"llm.engine is http"):
        LLMConfig(engine="http")
    with pytest.raises(ValidationError, match=r"llm.encoder asks a server"):
        LLMConfig(encoder="http:m")
    assert LLMConfig.model_validate({"encoder": "http:m", "encoder_http": {"base_url": "http://h"}}).http is None


def test_the_lines_of_the_document_name_a_server_and_its_key(repository):
    section = (repository / "docs" / "llm.md").read_text(encoding="utf-8").split("## An OpenAI-compatible server")[1]
    llm = LLMConfig.model_validate(parse_yaml(section.split("```yaml\n")[1].split("```")[0])["llm"])
    assert (llm.engine, llm.http.api_key_env) == ("http", "MODELS_API_KEY")
    named = set(re.findall(r"`(\w+)`", section))
    assert HttpConfig.model_fields.keys() - {"base_url", "model"} <= named


def test_where_the_server_is_and_how_it_is_asked_makes_no_table_stale():
    def content(**server):
        http = {"base_url": "http://a", "model": "m", **server}
        llm = {"engine": "http", "http": http, "encoder": "trigrams"}
        source = {"format": "movielens_100k"}
        config = Config.model_validate({"name": "n", "workspace": "w", "source": source, "llm": llm})
        return find_stage("item_profiles").depends_on(config)

    base = content()
    assert base == content(base_url="http://b", api_key_env="KEY", concurrency=2, requests_per_minute=9, timeout_s=3)
    assert all(base != content(**one) for one in ({"model": "x"}, {"structured": "none"}, {"extra": {"min_p": 0.1}}))


def test_the_server_s_model_is_the_one_that_is_listed(config_file):
    sets = [
        word
        for value in ("engine=http", "http.base_url=http://h/v1", "http.model=some")
        for word in ("--set", f"llm.{value}")
    ]
    done = CliRunner().invoke(app, ["models", "list", "--config", str(config_file), *sets, "--json"])
    (llm, _) = json.loads(done.stdout)["models"]
    assert (llm["identity"], llm["path"], llm["ready"]) == ("http:some", "http://h/v1", True)
