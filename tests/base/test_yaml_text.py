"""YAML from anywhere: bounded, nothing said twice, every broken scalar named with its place."""

import pytest

from hnlm_ray.base.yaml_text import MOST_CHARS, YamlTextError, parse_yaml


def _bomb(levels):
    lists = [f"l{n + 1}: &l{n + 1} [{', '.join([f'*l{n}'] * 9)}]" for n in range(levels)]
    return "\n".join(["l0: &l0 [x, x, x, x, x, x, x, x, x]", *lists])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (_bomb(9), "more than 10,000 values, each use of an alias counted"),
        ("a: &a [*a]", "more than 10,000 values"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1 .key 'a' is given twice"),
        ("a: {b: 1, b: 2}", "key 'b' is given twice"),
        ("a: 2015-13-45", "line 1, column 4 .'2015-13-45' is no timestamp"),
        ("a: " + "9" * 5000, "more than 18 digits"),
        ("a: 1" + ":1" * 120_000, "more than 18 digits"),
        ("[" + "a," * 120_000 + "]", "more than 10,000 values"),
        ("a: 0x" + "f" * 5000, "more than 18 digits"),
        ("a: !!int ''", "'' is no int"),
        ("a: !!bool soon", "'soon' is no bool"),
        ("a: !!timestamp soon", "'soon' is no timestamp"),
        ("a: " + "[" * 1500, "nested too deep"),
        ("a" * (MOST_CHARS + 1), "more than 262,144 characters"),
        ("\x7fELF\x01", "special characters are not allowed"),
    ],
)
def test_hostile_texts_are_refused_with_the_reason(text, told):
    with pytest.raises(YamlTextError, match=told):
        parse_yaml(text)


def test_aliases_and_merge_keys_in_moderation_are_fine():
    text = "a: &a {x: 1, y: 2}\nb: &b {<<: *a, y: 3}\nc: {<<: *b, z: 4}\nd: [*a, *a]"
    assert parse_yaml(text) == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": {"x": 1, "y": 3, "z": 4},
        "d": [{"x": 1, "y": 2}] * 2,
    }
