"""Keeps secrets out of what is printed and of what stands beside tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_USER_INFO = re.compile(r"\b(\w{1,20}://)[^/@\s]{1,2000}@")
_NAMES = r"(?:access_?key(?:_id)?|secret(?:_key)?|token|passw(?:or)?d|api_?key|credentials?)"
_SECRET_NAME = re.compile(rf"(?i)(?:^|[^a-z]){_NAMES}$")
_ASSIGNED = re.compile(rf"(?i)(?<![a-z])({_NAMES})(['\"]?(?:\s*=\s*|:\s+(?:got\s+)?))(['\"]?)[^&\s'\",}}]+")
MASK = "***"


def redacted(text: str) -> str:
    """Mask passwords in URIs (``s3://key:secret@bucket``) and values of secret-looking names."""
    return _ASSIGNED.sub(rf"\1\2\3{MASK}", _USER_INFO.sub(rf"\1{MASK}@", text))


def redacted_tree(tree: Any) -> Any:  # noqa: ANN401  any JSON value
    """Mask secrets in a configuration tree: whatever stands under a secret name but a mapping or null, and in texts."""
    if isinstance(tree, Mapping):
        return {key: MASK if _is_secret(key, value) else redacted_tree(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [redacted_tree(value) for value in tree]
    return redacted(tree) if isinstance(tree, str) else tree


def _is_secret(key: str, value: object) -> bool:
    return value is not None and not isinstance(value, Mapping) and is_secret_name(key)


def is_secret_name(name: str) -> bool:
    """Tell whether a key's value should never be shown: ``hf_token``, ``aws_secret_access_key``, ..."""
    return _SECRET_NAME.search(name) is not None
