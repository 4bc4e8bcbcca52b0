"""Reads a whole source as the stage ingest does, and checks what comes out of it."""

from hnlm_ray.config import Config
from hnlm_ray.sources import Rejects, read_interactions, read_items, source_files
from hnlm_ray.workspace.tables import TABLES


def placed(tree, folder):
    """Put a folder where ``{folder}`` stands in the options of a source."""
    if isinstance(tree, dict):
        return {key: placed(value, folder) for key, value in tree.items()}
    if isinstance(tree, list):
        return [placed(value, folder) for value in tree]
    return tree.replace("{folder}", str(folder)) if isinstance(tree, str) else tree


def source_of(tree, folder, share):
    options = {**placed(tree, folder), "max_bad_share": share}
    return Config(name="fuzz", workspace="nowhere", source=options).source


def read_all(source):
    """Return the rows of both tables; every text in them is UTF-8 without NUL, every id is something."""
    rejects = Rejects()
    source_files(source)
    read = {"raw_interactions": read_interactions(source, rejects), "raw_items": read_items(source, rejects)}
    rows = {name: [row for table in tables for row in _sound(name, table)] for name, tables in read.items()}
    kept = rejects.table()
    kept.validate(full=True)
    assert 0 <= rejects.bad <= rejects.lines
    assert all(len(reason) < 200 and reason.isprintable() for reason in kept["reason"].to_pylist())
    return rows


def _sound(name, table):
    assert table.schema.equals(TABLES[name])
    table.validate(full=True)
    rows = table.to_pylist()
    for row in rows:
        assert all(row[key].strip() and "\0" not in row[key] for key in ("user_id", "item_id") if key in row)
        assert "\0" not in (row.get("title") or "") + (row.get("text") or "") + (row.get("review") or "")
    return rows
