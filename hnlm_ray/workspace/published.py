"""Which published tables belong together: a later run may have made some of them anew from other data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hnlm_ray.workspace.folder import Workspace
from hnlm_ray.workspace.manifest import Manifest
from hnlm_ray.workspace.tables import TABLES

TableState = Literal["there", "absent", "outdated"]


@dataclass(frozen=True)
class PublishedTables:
    """The manifests of a workspace at one moment; a table with a missing or damaged file is not among them."""

    manifests: Mapping[str, Manifest]

    @classmethod
    def look(cls, workspace: Workspace) -> PublishedTables:
        """Read all manifests of a workspace."""
        stores = {name: workspace.table(name) for name in TABLES}
        found = {name: store.manifest() for name, store in stores.items()}
        return cls({name: manifest for name, manifest in found.items() if manifest and stores[name].intact(manifest)})

    @property
    def tokens(self) -> dict[str, int]:
        """What an LLM read and wrote for each table, by its name."""
        return {name: one.tokens.tokens_in + one.tokens.tokens_out for name, one in self.manifests.items()}

    def state(self, table: str) -> TableState:
        """Tell whether a table can be read together with the others."""
        if table not in self.manifests:
            return "absent"
        return "outdated" if self.made_anew(table) else "there"

    def made_anew(self, table: str) -> list[str]:
        """Name the tables that are no longer those that ``table`` was made from, or together with."""
        own = self.manifests[table]
        return sorted(
            name
            for name, manifest in self.manifests.items()
            if manifest.content != (own.content if manifest.stage == own.stage else own.inputs.get(name))
            and (manifest.stage == own.stage or name in own.inputs)
        )
