"""What a query says of a user and of an item: the same in records and in inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hnlm_ray.llm.text.answers import clean
from hnlm_ray.profiles.users import liked_item

Row = Mapping[str, Any]


def user_text(profile: Row | None, chars: int) -> str:
    """Return a user's profile, cut; empty where there is none."""
    return clean(str((profile or {}).get("summary") or ""))[:chars]


def item_text(item: Row, profile: Row | None, chars: int) -> str:
    """Return an item's title and profile (without one: its other facts), cut."""
    return clean(": ".join(liked_item(item, profile, chars).values()))[:chars]
