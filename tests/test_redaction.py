"""What is printed and stored holds no secret."""

import pytest

from hnlm_ray.redaction import redacted, redacted_tree


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
