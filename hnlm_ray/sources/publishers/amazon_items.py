"""A product of Amazon's metadata, in one spelling for the editions of 2014, 2018 and 2023."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hnlm_ray.config import ItemColumns
from hnlm_ray.sources.readers.markup import plain_markup

COLUMNS: Final = ItemColumns(item="item", title="title", attributes=("brand", "category", "price"), text=("text",))
TITLE_CHARS: Final = 500
ATTRIBUTE_CHARS: Final = 500
TEXT_CHARS: Final = 5000
_MOST_PARTS: Final = 100
_SCRIPT: Final = "getTime"
_BYLINE: Final = re.compile(r"^\s*by\s*\n\s*")
_AMOUNT: Final = r"\$?\s*([0-9]{1,9}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(\.[0-9]{1,9})?"
_PRICE: Final = re.compile(rf"(?:from\s+)?{_AMOUNT}(?:\s*-\s*{_AMOUNT})?", re.IGNORECASE)


def product(found: Mapping[str, Any], item: str) -> dict[str, Any]:
    """Bring one object of the metadata to the columns of :data:`COLUMNS`; what it lacks is None.

    Parameters
    ----------
    found
        The object. Its keys may be those of any edition: ``brand`` (2023: ``store``), ``category`` or
        ``categories``, ``description``, ``feature`` or ``features``, ``price``.
    item
        The key of the item's id.
    """
    title = _shown(found.get("title"), TITLE_CHARS)
    texts = (_shown(found.get(key), TEXT_CHARS, "\n") for key in ("description", "feature", "features"))
    return {
        "item": found.get(item),
        "title": None if is_script(found) else title,
        "brand": _brand(found),
        "category": _category(found),
        "price": price(found.get("price")),
        "text": "\n".join(text for text in texts if text)[:TEXT_CHARS] or None,
    }


def is_script(found: Mapping[str, Any]) -> bool:
    """Tell whether the title is a piece of a page's JavaScript: the publisher's notebook drops those of 2018 so."""
    return _SCRIPT in str(found.get("title", ""))


def price(value: object) -> str | None:
    """Write a price in dollars with two decimals: the lowest where it is a range; None for what is no price."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        matched = _PRICE.fullmatch(value.strip())
        if matched is None:
            return None
        value = float(matched[1].replace(",", "") + (matched[2] or ""))
    return f"{value:.2f}" if math.isfinite(value) and 0 <= value < 1e9 else None


def _brand(found: Mapping[str, Any]) -> str | None:
    """Return the brand; 2018 has pieces of the page's byline ('by' and a line end) before some."""
    named = found.get("brand") or found.get("store") or _details(found).get("Brand")
    return _shown(_BYLINE.sub("", named) if isinstance(named, str) else named, ATTRIBUTE_CHARS)


def _category(found: Mapping[str, Any]) -> str | None:
    """Return the categories, each once; where there are none, the main one."""
    keys = ("category", "categories", "main_cat", "main_category")
    return next((text for key in keys if (text := _shown(found.get(key), ATTRIBUTE_CHARS, ", "))), None)


def _details(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the details of 2023, an object or the JSON text of one."""
    details = found.get("details")
    if isinstance(details, str):
        try:
            details = json.loads(details)
        except (ValueError, RecursionError):
            return {}
    return details if isinstance(details, dict) else {}


def _shown(value: object, most: int, between: str = " ") -> str | None:
    """Join the texts of a value as a page shows them, each once."""
    cleaned = (plain_markup(part, most) for part in _parts(value))
    return between.join(dict.fromkeys(text for text in cleaned if text))[:most].rstrip(", ") or None


def _parts(value: object) -> Iterator[str]:
    """Yield the texts and numbers of a value or of lists in lists; what is nested deeper, and all else, is none."""
    level: list[object] = [value]
    for _ in range(4):
        yield from (str(part) for part in level if isinstance(part, str | int | float) and not isinstance(part, bool))
        level = [part for one in level if isinstance(one, list) for part in one[:_MOST_PARTS]][:_MOST_PARTS]
