"""Further files about the same items: what the first file lacks is added, nothing is replaced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from hnlm_ray.workspace.tables import TABLES


@dataclass
class Extra:
    """What further files say of one item, the first of them first."""

    title: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    def add(self, title: str | None, attributes: Sequence[tuple[str, str]], text: str | None) -> None:
        """Add what one more file says."""
        self.title = self.title or title
        self.attributes = {**self.attributes, **{key: value for key, value in attributes if key not in self.attributes}}
        self.texts += [text] if text and text not in self.texts else []


class Catalogue:
    """The items of the first file, held until all further files are read.

    Parameters
    ----------
    tables
        The first file's items; schema ``TABLES["raw_items"]``.
    linked
        By column of the first file: the items that a further file's id names through it.
    """

    def __init__(self, tables: Sequence[pa.Table], linked: dict[str, dict[str, list[str]]]) -> None:
        self._tables = tables
        self._linked = linked
        self._own = {item: [item] for table in tables for item in table["item_id"].to_pylist()}
        self._extras: dict[str, Extra] = {}

    def named_by(self, link: str | None) -> dict[str, list[str]]:
        """Return which items a further file's ids name."""
        return self._own if link is None else self._linked[link]

    def add(self, table: pa.Table, link: str | None) -> None:
        """Take what some rows of a further file say; schema ``TABLES["raw_items"]``."""
        named = self.named_by(link)
        for row in table.to_pylist():
            for item in named[row["item_id"]]:
                self._extras.setdefault(item, Extra()).add(row["title"], row["attributes"], row["text"])

    def filled(self) -> Iterator[pa.Table]:
        """Yield the items with what was added; schema ``TABLES["raw_items"]``."""
        for table in self._tables:
            rows = [self._filled(row) for row in table.to_pylist()]
            yield pa.Table.from_pylist(rows, TABLES["raw_items"])

    def _filled(self, row: dict[str, object]) -> dict[str, object]:
        extra = self._extras.get(str(row["item_id"]))
        return row if extra is None else filled(row, extra)


def filled(row: dict[str, object], extra: Extra) -> dict[str, object]:
    """Fill one row of ``raw_items``: what it has stays, new attributes follow, texts are appended."""
    own: dict[str, str] = dict(row["attributes"])  # type: ignore[call-overload]
    text = row["text"]
    texts = [*([str(text)] if text else []), *(more for more in extra.texts if more != text)]
    return {
        "item_id": row["item_id"],
        "title": row["title"] or extra.title,
        "attributes": [*own.items(), *((name, value) for name, value in extra.attributes.items() if name not in own)],
        "text": "\n".join(texts) or None,
    }
