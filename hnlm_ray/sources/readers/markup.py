"""Web text to plain text: tags and scripts out, entities read, blanks folded."""

from __future__ import annotations

import html
import re
from typing import Final

import nh3

_RAW_PER_KEPT: Final = 4
"""Characters that are looked at for one that is kept: parsing stays cheap whatever a page throws at it."""
_TAG: Final = re.compile(r"<[/!?]?[a-zA-Z-]")
# "a<b", a heart <3 and what is cut off are text, where HTML would take all up to the next ">" for a tag.
_STRAY: Final = re.compile(r"<(?!/?[a-zA-Z][^<>]*>|[!?][^<>]*>|!--)")
_UNSHOWN: Final = {"script", "style", "iframe", "noembed", "noframes"}
_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")
_CONTROLS: Final = dict.fromkeys((*range(1, 32), *range(127, 160)), " ")
_CLEANER: Final = nh3.Cleaner(tags=set(), attributes={}, clean_content_tags=_UNSHOWN)


def plain_markup(text: str, most: int) -> str:
    """Return the text that a piece of HTML shows, on one line and of at most ``most`` characters.

    Entities are read twice: shops store texts that are escaped already. A NUL character and half a character (a lone
    surrogate) stay, and with them the markup, so that a caller can refuse the text.
    """
    raw = text[: most * _RAW_PER_KEPT]
    if "&" in raw:
        raw = html.unescape(html.unescape(raw))
    if _TAG.search(raw) and not _NO_TEXT.search(raw):
        raw = _without_tags(raw)
    return " ".join(raw.translate(_CONTROLS).split())[:most].rstrip()


def _without_tags(raw: str) -> str:
    """Return the text that a browser would show, with blanks for tags; nh3 gives it escaped."""
    return html.unescape(_CLEANER.clean(_STRAY.sub("&lt;", raw).replace("<", " <")))
