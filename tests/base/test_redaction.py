"""What is printed and stored holds no secret."""

import shlex

import pytest

from hnlm_ray.base.text import redacted, redacted_tree
from hnlm_ray.commands.options import same_options


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://key:secret@bucket/x", "s3://***@bucket/x"),
        ("my.api_key=abc&b=1", "my.api_key=***&b=1"),
        ("hf_token: 'abc'", "hf_token: '***'"),
        ("llm.engine_kwargs.hf_token: got 'abc'; wrong", "llm.engine_kwargs.hf_token: got '***'; wrong"),
        ("AWS_SECRET_ACCESS_KEY = zz", "AWS_SECRET_ACCESS_KEY = ***"),
        ("llm.max_tokens=5", "llm.max_tokens=5"),
        ("nontoken=5", "nontoken=5"),
    ],
)
def test_values_of_secret_names_and_users_of_uris_are_masked(text, shown):
    assert redacted(text) == shown


def test_a_tree_is_masked_by_its_keys_and_in_its_texts():
    tree = {"hf_token": "abc", "paths": ["s3://k:s@b"], "dim": 64}
    assert redacted_tree(tree) == {"hf_token": "***", "paths": ["s3://***@b"], "dim": 64}


def test_under_a_secret_name_lists_and_numbers_are_masked_too():
    tree = {"api_key": ["sk-1", "sk-2"], "password": 12345, "token": None, "secret": {"user": "me", "key": ("a",)}}
    assert redacted_tree(tree) == {
        "api_key": "***", "password": "***", "token": None, "secret": {"user": "me", "key": ["a"]},
    }  # fmt: skip


@pytest.mark.parametrize("value", ["abc", "two words", 'it\'s "quoted"', "[sk-1, sk-2]", "a=b", "12345"])
def test_options_that_a_text_suggests_hold_no_secret(value):
    options = same_options("c.yaml", ["cf.epochs=2", f"llm.engine_kwargs.hf_token={value}", "llm.max_tokens=5"], None)
    expected = ["--set", "cf.epochs=2", "--set", "llm.engine_kwargs.hf_token=***", "--set", "llm.max_tokens=5"]
    assert shlex.split(options) == ["--config", "c.yaml", *expected]
