"""A run's folder: tables with manifests, published atomically; a journal of stages; a lock."""

from hnlm_ray.workspace.chunks import ChunkedTable
from hnlm_ray.workspace.folder import Workspace
from hnlm_ray.workspace.manifest import Manifest, Rows, TableFile, Tokens
from hnlm_ray.workspace.published import PublishedTables
from hnlm_ray.workspace.table_store import TableStore, listed

__all__ = [
    "ChunkedTable",
    "Manifest",
    "PublishedTables",
    "Rows",
    "TableFile",
    "TableStore",
    "Tokens",
    "Workspace",
    "listed",
]
