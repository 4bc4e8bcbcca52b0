"""Web text to plain text: tags and scripts out, entities read, blanks folded."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from typing import Final

_RAW_PER_KEPT: Final = 4
"""Characters that are looked at for one that is kept: parsing stays cheap whatever a page throws at it."""
_TAG: Final = re.compile(r"<[/!?]?[a-zA-Z-]")
_REMARK: Final = re.compile(r"<[!?][^<>]*>")
# The parser takes quadratic time for tags that never end: these become text. A tag ends before the next begins.
_STRAY: Final = re.compile(r"<(?!/?[a-zA-Z][^<>]*>)")
_UNSHOWN: Final = frozenset({"script", "style"})
_CONTROLS: Final = dict.fromkeys((*range(1, 32), *range(127, 160)), " ")


class _Shown(HTMLParser):
    """Collects what a browser would show; tags become blanks."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  its signature
        self._hidden = tag if tag in _UNSHOWN else self._hidden
        self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = "" if tag == self._hidden else self._hidden
        self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(data)


def plain_markup(text: str, most: int) -> str:
    """Return the text that a piece of HTML shows, on one line and of at most ``most`` characters.

    Entities are read twice: shops store texts that are escaped already. A NUL character stays, so that a caller
    can refuse the text.
    """
    raw = text[: most * _RAW_PER_KEPT]
    if "&" in raw:
        raw = html.unescape(html.unescape(raw))
    if _TAG.search(raw):
        parser = _Shown()
        parser.feed(_STRAY.sub("&lt;", _REMARK.sub(" ", raw)))
        parser.close()
        raw = "".join(parser.pieces)
    return " ".join(raw.translate(_CONTROLS).split())[:most].rstrip()
